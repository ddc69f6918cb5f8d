// Passes: each takes a graph and leaves a better one that computes the same. One file a pass. run_passes.cpp has the table of those that a
// program runs; TrainingProgram runs pool_first and separate_outputs before it makes the gradient.
#pragma once

#include "graph/graph.h"

namespace fastcnn {

enum class Purpose { inference, training };  // training: every run writes the parameters, so nothing is prepared ahead

// What passes know of the program that a graph becomes.
struct PassContext {
  int lanes;  // of the ISA
  const CompileOptions& options;
  double recomputed_work = 0;  // found by recompute_within_budget: multiply-adds that a training step does twice to keep to its budget
};

// The passes of a program, in their order.
void run_passes(Graph& graph, Purpose purpose, PassContext& context);

void pool_first(Graph& graph);         // before the gradient is made: maximum pooling before the activation that it reads
void remove_identities(Graph& graph);  // nodes that compute nothing
void separate_outputs(Graph& graph);   // every output a value of its own, made by a node
void remove_unused(Graph& graph);      // nodes that no output and no update needs
void place_updates(Graph& graph);      // behind the loss and what reads the old values, but no later
void fold_batch_norms(Graph& graph);   // into the weights of the convolution before or behind them
void fuse_epilogues(Graph& graph);     // residual add and activation into the convolution or linear layer before them
void fuse_prologues(Graph& graph);     // batch normalization or factors into the 1x1 convolution behind them
void fuse_upsampling(Graph& graph);    // nearest upsampling into the convolution behind it
void assign_rings(Graph& graph);       // zeros around images
void choose_algorithms(Graph& graph, PassContext& context);
void fuse_pools(Graph& graph, PassContext& context);      // maximum pooling into the convolution before it, where its algorithm can do both
void fuse_depthwise(Graph& graph, PassContext& context);  // 1x1 and depthwise convolutions with a large image between them
void assign_layouts(Graph& graph, PassContext& context);  // plain or image, with copies between
void concat_views(Graph& graph, PassContext& context);    // the nodes that make parts write where the whole lies

// In training, what the backward pass needs of the forward pass takes less memory.
void places_early(Graph& graph);   // the places of maxima are kept instead of an image
void recompute(Graph& graph);      // the results of cheap steps are recomputed
void masks_as_bits(Graph& graph);  // bits are kept instead of an image that only the gradient of a ReLU reads
void recompute_within_budget(Graph& graph, PassContext& context);  // costly steps are recomputed, too, as many as the budget asks for

// How often each value is read by a node or returned.
std::vector<int> count_uses(const Graph& graph);

}  // namespace fastcnn
