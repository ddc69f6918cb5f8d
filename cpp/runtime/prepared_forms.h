// PreparedForms: what a program computes ahead of its runs, from parameters alone, such as weights folded and packed for an algorithm. A
// form is kept by the parameter that it is made from and shared by all programs that need the same; it is made again after a write to one
// of its parameters. Also knows the files that parameters lie in.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/parameter.h"
#include "runtime/plan.h"

namespace fastcnn {

class PreparedForms {
 public:
  // The plan must outlive this.
  explicit PreparedForms(const Plan& plan);

  // The forms of one run, which live at least as long as it holds them.
  using Held = std::vector<std::shared_ptr<const PreparedForm>>;

  // Makes sure that the parameters can be read, or in training written, before a run touches the first byte of them.
  void use_files() const;
  // Makes sure that every form is made from the parameters as they are now, and enters the forms in `spaces`. In the steady state this
  // compares a few integers.
  void refresh(Held& held, std::vector<std::byte*>& spaces, int threads);

  Index bytes() const;
  std::vector<std::pair<std::size_t, Index>> list() const;  // of each form: a number that equal ones share, and bytes

 private:
  // How a form is made. The last step makes the form. The other steps make its temporaries, which are freed then.
  struct Recipe {
    std::vector<BoundStep> steps;
    std::vector<std::pair<int, Index>> temporaries;  // space and bytes
    int space = 0;
    Index bytes = 0;
    std::string key;  // equal for equal forms
    std::vector<std::shared_ptr<Parameter>> parameters;
  };

  void find_files();
  void find_recipes();
  Recipe recipe_of(int block) const;
  void add_steps(Recipe& recipe, std::vector<std::size_t>& added, std::size_t node) const;
  bool is_current(const Held& held, std::size_t form) const;
  void make(const std::vector<std::size_t>& wanted, Held& held, std::vector<std::byte*>& spaces, int threads);
  void fill(const Recipe& recipe, const PreparedForm& form, std::vector<std::byte*> spaces, std::vector<AlignedBuffer>& buffers,
            int threads) const;

  const Plan& plan_;
  const Binder binder_;
  std::vector<Recipe> recipes_;
  std::vector<std::shared_ptr<FileMapping>> files_;
  std::mutex mutex_;  // one thread at a time makes forms
};

}  // namespace fastcnn
