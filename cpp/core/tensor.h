// How a value lies in memory: shape, element type, layout. The data is elsewhere; kernels get raw pointers computed from these.
//
// Two families of layout:
//   plain   block = 0: row-major, any rank, no ring.
//   image   block = c >= 1, rank 4: (N, ceil(C/c), H + 2r, W + 2r, c), where r is the ring, r pixels of zeros on all four sides.
//           c is the number of channels that lie side by side, normally the lanes of the ISA; c = 1 is NCHW with a ring.
//
//   one channel block of an image with H = 2, W = 3, ring = 1; each cell is c floats:
//
//         0 0 0 0 0        `origin` is the offset of pixel (0, 0), marked a
//         0 a x x 0
//         0 x x x 0
//         0 0 0 0 0
//
// The values of lanes beyond the last channel are unspecified; no channel depends on them.
#pragma once

#include <algorithm>

#include "core/shape.h"

namespace fastcnn {

enum class DType : std::uint8_t { f32, i32 };

inline Index bytes_of(DType) { return 4; }
inline const char* name_of(DType dtype) { return dtype == DType::f32 ? "float32" : "int32"; }

struct Layout {
  int block = 0;  // 0: plain
  int ring = 0;   // pixels of zeros around an image, on each side
  Index of = 0;   // where the image is a part of another image's channels: the number of channel blocks of the other; else 0
  // The number of rows of a channel block in memory, those of the ring included; 0: all. An image that is written and read row band by row
  // band is a window. A band of rows as an image of its own is a window, too: between its channel blocks lie rows of other bands.
  Index window = 0;

  bool plain() const { return block == 0; }
  bool operator==(const Layout&) const = default;
};

// Strides of an image layout, in elements.
struct ImageStrides {
  Index batch = 0;   // from image n to n + 1
  Index block = 0;   // from channel block to the next
  Index row = 0;     // from row h to h + 1
  Index pixel = 0;   // from column w to w + 1: the block itself
  Index origin = 0;  // of pixel (0, 0) of the first channel block
  Index blocks = 0;  // number of channel blocks

  // The offset of channel block i, counted through all images, from the first channel block of the first image.
  Index image(Index i) const { return batch == blocks * block ? i * block : i / blocks * batch + i % blocks * block; }
};

struct TensorType {
  Shape shape;
  DType dtype = DType::f32;
  Layout layout{};

  Index N() const { return shape[0]; }
  Index C() const { return shape[1]; }
  Index H() const { return shape[2]; }
  Index W() const { return shape[3]; }

  ImageStrides strides() const {
    const Index c = layout.block;
    const Index r = layout.ring;
    const Index rows = layout.window ? layout.window : H() + 2 * r;
    const Index row = (W() + 2 * r) * c;
    const Index block = rows * row;
    const Index blocks = ceil_div(C(), c);
    return {std::max(blocks, layout.of) * block, block, row, c, r * row + r * c, blocks};
  }

  // The number of elements in memory, ring and unused lanes included.
  Index elements() const {
    if (layout.plain()) return shape.elements();
    const double rows = static_cast<double>(H() + 2 * Index{layout.ring});
    const double columns = static_cast<double>(W() + 2 * Index{layout.ring});
    const double channels = static_cast<double>(round_up(C(), layout.block));
    require(static_cast<double>(std::max(N(), Index{1})) * channels * rows * columns <= static_cast<double>(Shape::kMostElements), "layout",
            "an image has at most 2^40 elements in memory", shape, " with padding ", layout.ring);
    const ImageStrides s = strides();
    return N() * s.batch;
  }
  Index bytes() const { return elements() * bytes_of(dtype); }
  Index logical_bytes() const {  // without ring and unused lanes
    return (layout.window ? shape.elements() / H() * std::min(H(), layout.window) : shape.elements()) * bytes_of(dtype);
  }
};

}  // namespace fastcnn
