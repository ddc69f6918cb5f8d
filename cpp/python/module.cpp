// fastcnn._core: the table of contents of the extension module.
#include "python/bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of fastcnn: graphs, programs, training steps.";
  fastcnn::bind_errors(module);
  fastcnn::bind_parameter(module);
  fastcnn::bind_graph(module);
  fastcnn::bind_program(module);
  fastcnn::bind_training(module);
  fastcnn::bind_machine(module);
}
