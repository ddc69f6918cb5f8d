#include "core/dispatch.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

namespace fastcnn {

namespace {

bool processor_has(std::string_view isa) {
#if defined(__x86_64__)
  if (isa == "avx512") {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  }
  if (isa == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return isa == "neon" || isa == "baseline";  // part of a build only where every processor has them
}

const std::vector<const Kernels*>& compiled_kernels() {
  static const std::vector<const Kernels*> tables = {
#define FASTCNN_ISA_TABLE(isa) &isa::table,
#include "kernels/isas.inc"
#undef FASTCNN_ISA_TABLE
  };
  return tables;
}

std::string names(const std::vector<const Kernels*>& tables) {
  std::string out;
  for (const Kernels* table : tables) out += (out.empty() ? "" : ", ") + std::string(table->isa);
  return out;
}

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> available = [] {
    std::vector<const Kernels*> found;
    for (const Kernels* table : compiled_kernels())
      if (processor_has(table->isa)) found.push_back(table);
    return found;
  }();
  return available;
}

bool takes_two_turns(int lanes) {
#if defined(__x86_64__)
  static const bool has_halves = __builtin_cpu_is("amdfam19h");
  return lanes == 16 && has_halves;
#else
  (void)lanes;
  return false;
#endif
}

const Kernels& kernels_for(std::string_view isa) {
  if (isa.empty()) {
    static const char* const chosen = std::getenv("FASTCNN_ISA");
    if (!chosen || !*chosen) return *available_kernels().front();
    isa = chosen;
  }
  for (const Kernels* table : available_kernels())
    if (isa == table->isa) return *table;
  bool compiled = false;
  for (const Kernels* table : compiled_kernels()) compiled |= isa == table->isa;
  throw Error(ErrorKind::value, "dispatch",
              compiled ? "this processor lacks the instructions of the ISA that was asked for (FASTCNN_ISA)"
                       : "FASTCNN_ISA must be one of " + names(compiled_kernels()),
              isa);
}

}  // namespace fastcnn
