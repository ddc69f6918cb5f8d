// Equal numbers of pieces of each image (tiles, pixels, rows, units), numbered through all images.
#pragma once

#include <algorithm>

#include "core/shape.h"

namespace fastcnn {

// Calls body(image, first, count, at) for each image that has some of the pieces begin .. end - 1: its pieces first .. first + count - 1,
// numbered within the image; the first of them is piece begin + at.
template <class Body>
void for_images(Index per_image, Index begin, Index end, Body&& body) {
  for (Index at = begin; at < end;) {
    const Index image = at / per_image, count = std::min(end, (image + 1) * per_image) - at;
    body(image, at - image * per_image, count, at - begin);
    at += count;
  }
}

}  // namespace fastcnn
