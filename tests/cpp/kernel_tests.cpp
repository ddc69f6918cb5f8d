// Compares the kernels of every ISA that this machine has with references in double. Prints the differences; the exit status is 1 if there
// are any. Needs only the kernel tables: `make portability` runs it for AArch64 in an emulator.
#include "core/dispatch.h"
#include "kernel_testing.h"

int main() {
  using namespace fastcnn;
  constexpr struct {
    const char* name;
    void (*run)(const Kernels&);
  } kTests[] = {
#define FASTCNN_KERNEL(name, parameters) {#name, testing::test_##name},
#include "kernels/kernels.inc"
#undef FASTCNN_KERNEL
  };
  int all = 0;
  for (const Kernels* kernels : available_kernels()) {
    for (const auto& test : kTests) {
      testing::failures() = 0;
      test.run(*kernels);
      const int found = testing::failures();
      std::printf("%s %s: %s\n", kernels->isa, test.name, found ? (std::to_string(found) + " FAILURES").c_str() : "passed");
      all += found;
    }
  }
  return all ? 1 : 0;
}
