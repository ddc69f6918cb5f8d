# `make demo` and `make test` need nothing but python3, python3-venv, python3-dev, make and g++: they set up the virtual environment .venv
# and build the package into it. Stamp files in it make a second run quick. PYTHON and CXX name another interpreter or compiler.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: demo test lint bench profile compare sanitize tsan portability installed clean

PYTHON ?= python3
VENV ?= .venv
BUILD ?= build/release
SETTINGS ?=
PEERS ?=
COMPARE ?=
PROFILE ?= resnet18
TORCH ?= torch==2.13.0
PEERS_VENV := .venv-peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
CPP := $(shell find cpp tests/cpp -name '*.h' -o -name '*.cpp')
SOURCES := $(shell find cpp fastcnn -name '*.h' -o -name '*.inc' -o -name '*.map' -o -name '*.cpp' -o -name '*.py' -o -name '*.pyi' -o -name py.typed)
CMAKE = $(BIN)/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja)

demo: $(VENV)/.extra-demo
	$(BIN)/python -I -m fastcnn demo

# From tests/, for in this folder Python would find the sources before the installed package.
test: $(VENV)/.extra-test
	cd tests && $(abspath $(BIN))/pytest

lint: $(VENV)/.extra-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(CMAKE) -S . -B build/lint -DFASTCNN_WERROR=ON -DFASTCNN_TESTS=ON -DPython_EXECUTABLE=$(abspath $(BIN)/python) \
	  -Dpybind11_DIR="$$($(BIN)/python -m pybind11 --cmakedir)" >build/lint.log || { cat build/lint.log; exit 1; }
	$(BIN)/cmake --build build/lint

# With PEERS=/path/to/venv the other engines, too.
bench: $(VENV)/.extra-bench
	PEERS="$(PEERS)" $(BIN)/pytest bench --benchmark-json=build/bench.json

# Each layer's algorithm, time, rate and share of what the machine can do: make profile PROFILE="vgg16 mobilenet_v2 --threads 2".
profile: $(VENV)/.extra-bench
	$(BIN)/python bench/profile_networks.py $(PROFILE)

# Beside the peers: writes bench/RESULTS.md and docs/compare.png. `make compare PEERS=/path/to/venv` takes an environment that has them;
# COMPARE="--networks resnet18 --threads 1" compares less, see `python bench/compare --help`.
compare: $(VENV)/.extra-plot $(if $(PEERS),,$(PEERS_VENV)/.peers)
	$(BIN)/python bench/compare --peers $(or $(PEERS),$(PEERS_VENV)) $(COMPARE)

# The whole test suite on an extension with the address and undefined-behaviour sanitizers, then the C++ tests with them, then the executor
# with the thread sanitizer. Preloading: Python itself is not instrumented. Leaks: the interpreter keeps memory to its end by design.
# Capture: a sanitizer writes past sys.stderr, and its report must be seen.
sanitize: $(VENV)/.tools
	tools/need sanitizer
	$(MAKE) $(VENV)-sanitize/.extra-test VENV=$(VENV)-sanitize BUILD=build/sanitize \
	  SETTINGS='--config-settings=cmake.build-type=RelWithDebInfo --config-settings=install.strip=false \
    --config-settings=cmake.define.FASTCNN_SANITIZE=address,undefined'
	cd tests && LD_PRELOAD="$$($${CXX:-c++} -print-file-name=libasan.so) $$($${CXX:-c++} -print-file-name=libstdc++.so)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 $(abspath $(VENV)-sanitize/bin/pytest) --capture=sys
	$(CMAKE) -S . -B build/sanitize-cpp -DFASTCNN_PYTHON=OFF -DFASTCNN_TESTS=ON -DFASTCNN_SANITIZE=address,undefined
	$(BIN)/cmake --build build/sanitize-cpp
	build/sanitize-cpp/kernel_tests
	build/sanitize-cpp/executor_driver
	$(MAKE) tsan

tsan: $(VENV)/.tools
	tools/need sanitizer
	$(CMAKE) -S . -B build/tsan -DFASTCNN_PYTHON=OFF -DFASTCNN_TESTS=ON -DFASTCNN_SANITIZE=thread
	$(BIN)/cmake --build build/tsan --target executor_driver
	TSAN_OPTIONS=halt_on_error=1 build/tsan/executor_driver

# The kernels for AArch64 (NEON and baseline), cross-compiled and run in an emulator.
portability: $(VENV)/.tools
	tools/need cross qemu
	$(CMAKE) -S . -B build/aarch64 -DFASTCNN_PYTHON=OFF -DFASTCNN_TESTS=ON -DFASTCNN_WERROR=ON -DCMAKE_SYSTEM_NAME=Linux \
	  -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
	$(BIN)/cmake --build build/aarch64 --target kernel_tests
	qemu-aarch64 build/aarch64/kernel_tests

clean:
	rm -rf build dist .venv .venv-sanitize .venv-peers demo_output .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks

# ---- The virtual environment -----------------------------------------------------------------------------------------------------------

$(VENV)/.created:
	PYTHON="$(PYTHON)" tools/need python compiler
	$(PYTHON) -m venv $(VENV)
	touch $@

# Without build isolation the build directory stays valid from one install to the next, so only what changed is compiled.
$(VENV)/.tools: pyproject.toml $(VENV)/.created
	$(PIP) install 'scikit-build-core>=0.10' 'pybind11>=2.13' 'cmake>=3.18' ninja
	touch $@

$(VENV)/.installed: $(VENV)/.tools pyproject.toml CMakeLists.txt $(SOURCES)
	@echo "[make] building fastcnn into $(VENV)"
	PATH="$(abspath $(BIN)):$$PATH" $(PIP) install --no-build-isolation --config-settings=build-dir=$(BUILD) $(SETTINGS) .
	touch $@

# The packages of an extra of pyproject.toml.
$(VENV)/.extra-%: pyproject.toml | $(VENV)/.installed
	$(PIP) install 'fastcnn[$*]'
	touch $@

installed: $(VENV)/.installed

# Where the package index has several builds of torch, the one for CPUs is meant. onnx and the converters ask for different versions of
# protobuf: the newest serves all.
$(PEERS_VENV)/.peers:
	PYTHON="$(PYTHON)" tools/need python
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip --disable-pip-version-check -q install '$(TORCH)' onnx onnxruntime openvino ncnn pnnx MNN
	$(PEERS_VENV)/bin/python -m pip --disable-pip-version-check -q install -U protobuf
	touch $@
