// Dropout: the random number of an element is a hash of its index and of two keys. So the mask is the same in any layout, on any ISA and
// for any number of threads, and it is recomputed for the gradient instead of being kept.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

using UintVec = uint32_t __attribute__((vector_size(sizeof(Vec))));

// A bijection of 32 bits in which every input bit flips every output bit with a probability of about 1/2: Wellons, "lowbias32".
FASTCNN_INLINE UintVec mixed(UintVec h) {
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

}  // namespace

void dropout(const Dropout& unit) {
  UintVec index;
  for (int i = 0; i < kLanes; ++i) index[i] = unit.first + (uint32_t)i * unit.lane_step;
  for (int64_t at = 0; at < unit.count; at += kLanes, index += unit.vector_step) {
    // Two rounds with a key each: with one round, two masks would be parts of the same sequence.
    const UintVec random = mixed(mixed(index + unit.key[0]) ^ unit.key[1]) >> 1;
    const IntVec kept = (IntVec)random > unit.limit;
    if (unit.count - at >= kLanes) {
      store(unit.y + at, select(kept, load(unit.x + at) * broadcast(unit.scale), zero()));
    } else {
      const int lanes = (int)(unit.count - at);
      store_first(unit.y + at, select(kept, load_first(unit.x + at, lanes) * broadcast(unit.scale), zero()), lanes);
    }
  }
}

}  // namespace fastcnn::FASTCNN_ISA
