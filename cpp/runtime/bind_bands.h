// The steps of a group of nodes that runs in bands of rows (bands.h).
#pragma once

#include "runtime/bands.h"
#include "runtime/binder.h"

namespace fastcnn {

struct BoundGroup {
  std::vector<BoundStep> steps;     // in the order in which they run; BoundStep::report: index into `reports`
  std::vector<StepReport> reports;  // of the group's nodes, without those that need no step
};

// For each band: one step that moves the rows that are still to be read to the tops of their windows, then one for each node that computes
// rows. An op sees the rows of a band as images of their own, whose rings are rows of the whole.
BoundGroup bind_group(const Binder& binder, const BandGroup& group);

}  // namespace fastcnn
