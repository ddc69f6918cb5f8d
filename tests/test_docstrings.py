"""Every example in a docstring of the package runs as it stands, given `np` and `fc`; the names that users meet first have one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import numpy as np
import pytest

import fastcnn as fc


def examples() -> Iterator[doctest.DocTest]:
    """The docstrings with examples of all modules, without importing names from other modules."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = ["fastcnn", *(found.name for found in pkgutil.walk_packages(fc.__path__, "fastcnn."))]
    for name in names:
        if name not in ("fastcnn.__main__", "fastcnn._core"):
            yield from (test for test in finder.find(importlib.import_module(name), name, globs={"np": np, "fc": fc}) if test.examples)


EXAMPLES = {test.name: test for test in examples()}
WANTED = [
    *("fastcnn.nn.module.Module", "fastcnn.nn.containers.Sequential", "fastcnn.nn.layers.conv.Conv2d", "fastcnn.nn.layers.linear.Linear"),
    *(f"fastcnn.nn.module.Module.{verb}" for verb in ("__call__", "compile", "predict", "evaluate", "summary", "memory", "max_batch")),
    *(f"fastcnn.nn.module.Module.{verb}" for verb in ("check", "cost", "to_convolutional", "save")),
    *("fastcnn.network.network.Network.state_dict", "fastcnn.network.network.Network.load_state_dict"),
    *("fastcnn", "fastcnn.functional.convolution.conv2d", "fastcnn.loading.load", "fastcnn.dense.scores", "fastcnn.zoo", "fastcnn.rewrite"),
]


@pytest.mark.parametrize("name", WANTED)
def test_a_name_that_users_meet_first_has_an_example(name: str) -> None:
    assert name in EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str) -> None:
    written: list[str] = []
    result = doctest.DocTestRunner().run(EXAMPLES[name], out=written.append)
    assert result.failed == 0, "".join(written)
