// Tiles or pixels of a batch, numbered image by image.
#pragma once

#include <algorithm>

#include "core/shape.h"

namespace fastcnn {

// Calls body(image, first of it, count, where they are among these) for each image that has some of begin .. end - 1.
template <class Body>
void for_images(Index per_image, Index begin, Index end, Body&& body) {
  for (Index at = begin; at < end;) {
    const Index image = at / per_image, count = std::min(end, (image + 1) * per_image) - at;
    body(image, at - image * per_image, count, at - begin);
    at += count;
  }
}

}  // namespace fastcnn
