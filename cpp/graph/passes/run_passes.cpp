// The table of passes that a program runs, in their order.
#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

struct Row {
  void (*pass)(Graph&, PassContext&);
  bool in_inference;
  bool in_training;
};

// A pass that needs to know the graph alone.
template <void (*pass)(Graph&)>
void on_graph(Graph& graph, PassContext&) {
  pass(graph);
}

constexpr Row kPasses[] = {
    // pass, in inference, in training
    {on_graph<remove_identities>, true, true},
    {on_graph<separate_outputs>, true, true},
    {on_graph<remove_unused>, true, true},
    {on_graph<place_updates>, true, true},
    {on_graph<fold_batch_norms>, true, true},
    {on_graph<places_early>, false, true},
    {on_graph<recompute>, false, true},
    {on_graph<masks_as_bits>, false, true},
    {recompute_within_budget, false, true},
    {on_graph<fuse_epilogues>, true, true},
    {on_graph<fuse_prologues>, true, true},
    {on_graph<fuse_upsampling>, true, false},
    {choose_algorithms, true, true},
    {fuse_pools, true, true},
    {fuse_depthwise, true, false},
    {assign_layouts, true, true},
    {concat_views, true, true},
    {on_graph<assign_rings>, true, true},
    {on_graph<place_updates>, true, true},  // again: some readers have moved
};

}  // namespace

void run_passes(Graph& graph, Purpose purpose, PassContext& context) {
  for (const Row& row : kPasses)
    if (purpose == Purpose::training ? row.in_training : row.in_inference) row.pass(graph, context);
}

}  // namespace fastcnn
