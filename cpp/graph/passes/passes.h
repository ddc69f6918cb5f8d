// Passes: each takes a graph and leaves a better one that computes the same. One file a pass; the constructor of Program
// (runtime/program.cpp) runs them in this order, and place_updates once more at the end; that of TrainingProgram runs separate_outputs
// first.
#pragma once

#include "graph/graph.h"

namespace fastcnn {

void pool_first(Graph& graph);         // before the gradient is made: maximum pooling before the activation that it reads
void remove_identities(Graph& graph);  // nodes that compute nothing
void separate_outputs(Graph& graph);   // every output a value of its own, made by a node
void remove_unused(Graph& graph);      // nodes that no output and no update needs
void place_updates(Graph& graph);      // behind the loss and what reads the old values, but no later
void fold_batch_norms(Graph& graph);   // into the weights of the convolution before or behind them
void places_early(Graph& graph);       // in training: where maxima lie is kept, rather than the image
void recompute(Graph& graph);          // in training: cheap steps once more on the way back, rather than their results kept
void masks_as_bits(Graph& graph);      // in training: what is kept for the slopes of a ReLU alone
// in training: costly steps too, as many as the room asks for; returns their multiply-adds
double make_again(Graph& graph, Index room);
void fuse_epilogues(Graph& graph);   // residual add and activation into the convolution or linear layer before them
void fuse_prologues(Graph& graph);   // batch normalization into the 1x1 convolution behind it
void fuse_upsampling(Graph& graph);  // nearest upsampling into the convolution behind it
void choose_algorithms(Graph& graph, int lanes, const CompileOptions& options);
void fuse_pools(Graph& graph, int lanes, bool small);  // maximum pooling into the convolution before it, where its algorithm can do both
void fuse_depthwise(Graph& graph, int lanes);  // a 1x1 convolution and the depthwise one behind it, where the image between them is large
void assign_layouts(Graph& graph, int lanes);  // plain or image, with copies between
void concat_views(Graph& graph, bool small);   // makers of parts write where the whole lies
void assign_rings(Graph& graph);               // zeros around images

// How often each value is read by a node or returned.
std::vector<int> count_uses(const Graph& graph);

}  // namespace fastcnn
