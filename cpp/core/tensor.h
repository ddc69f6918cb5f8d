// What a value is in memory: shape, element type, layout. No data here; kernels see raw pointers made from these.
//
// Two families of layout:
//   plain   block = 0: row-major, any rank, no ring.
//   image   block = c >= 1, rank 4: (N, ceil(C/c), H + 2r, W + 2r, c), where r is the ring, r pixels of zeros on all four sides.
//           c is a number of channels that lie side by side, normally the lanes of the ISA; c = 1 is NCHW with a ring.
//
//   one channel block of an image with H = 2, W = 3, ring = 1; each cell is c floats:
//
//         0 0 0 0 0        `origin` is the cell of pixel (0, 0), marked a
//         0 a x x 0
//         0 x x x 0
//         0 0 0 0 0
//
// The lanes beyond the last channel hold finite or unspecified values that no real channel ever depends on.
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
  Index of = 0;   // where the image is a part of another's channels: the channel blocks of that one; else 0
  // Rows of a channel block that there is memory for, those of the ring included; 0: for all. An image that is made and read row band by
  // row band is a window; so is a band of rows seen as an image of its own: between its channel blocks lie rows that are not its own.
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

  // From the first channel block of the first image to the i-th, counted through all images.
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
    const Index c = layout.block, r = layout.ring;
    const Index rows = layout.window ? layout.window : H() + 2 * r;
    const Index row = (W() + 2 * r) * c, image = rows * row, blocks = ceil_div(C(), c);
    return {std::max(blocks, layout.of) * image, image, row, c, r * row + r * c, blocks};
  }

  // Physical elements: ring and unused lanes included.
  Index elements() const {
    if (layout.plain()) return shape.elements();
    const double rows = static_cast<double>(H() + 2 * Index{layout.ring}), columns = static_cast<double>(W() + 2 * Index{layout.ring});
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
