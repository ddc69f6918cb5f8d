#include "runtime/optimizer.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace fastcnn {

namespace {

struct Kind {
  const char* name;
  std::vector<const char*> hyperparameters;
  const char* first_slot;  // nullptr: none
  const char* second_slot;
  void (*Kernels::*update)(const WeightUpdate&);
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> list = {
      {"sgd", {"lr", "momentum", "nesterov", "weight_decay"}, "momentum_buffer", nullptr, &Kernels::update_sgd},
      {"adagrad", {"lr", "lr_decay", "weight_decay", "eps"}, "sum", nullptr, &Kernels::update_adagrad},
      {"rmsprop", {"lr", "alpha", "eps", "weight_decay", "momentum"}, "momentum_buffer", "square_avg", &Kernels::update_rmsprop},
      {"adam", {"lr", "beta1", "beta2", "eps", "weight_decay"}, "exp_avg", "exp_avg_sq", &Kernels::update_adam},
      {"adamw", {"lr", "beta1", "beta2", "eps", "weight_decay"}, "exp_avg", "exp_avg_sq", &Kernels::update_adam},
  };
  return list;
}

const Kind& find_kind(const std::string& name) {
  for (const Kind& kind : kinds())
    if (name == kind.name) return kind;
  throw Error(ErrorKind::value, "optimizer", "the kind must be sgd, adagrad, rmsprop, adam or adamw", name);
}

// A hyperparameter, or 0 where it was left out.
double value_of(const Hyper& hyper, const char* name) {
  const auto found = hyper.find(name);
  return found == hyper.end() ? 0.0 : found->second;
}

// A hyperparameter, which must be finite and not negative.
float number(const Kind& kind, const Hyper& hyper, const char* name) {
  const double value = value_of(hyper, name);
  require(std::isfinite(value) && value >= 0, kind.name, join(name, " must be a finite number and not negative"), name, "=", value);
  return static_cast<float>(value);
}

// Sets the shares that a moving average keeps of itself and takes of the new value. A share of 1 would keep everything, though the bias
// correction counts on the new value.
void set_average(const Kind& kind, const Hyper& hyper, const char* name, float& keep, float& add) {
  keep = number(kind, hyper, name);
  require(keep < 1, kind.name, join(name, " must be below 1 as a 32-bit number"), name, "=", value_of(hyper, name));
  add = static_cast<float>(1 - value_of(hyper, name));
}

}  // namespace

Optimizer::Optimizer(const std::string& kind, std::vector<Index> sizes, std::vector<std::size_t> groups)
    : kind_(kind), sizes_(std::move(sizes)), groups_(std::move(groups)) {
  const Kind& known = find_kind(kind);
  require(groups_.size() == sizes_.size(), "optimizer", "there must be a group for each parameter", groups_.size(), " for ", sizes_.size());
  for (const char* slot : {known.first_slot, known.second_slot})
    if (slot) slots_[slot] = AlignedBuffer();
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    offsets_.push_back(elements_);
    elements_ += round_up(sizes_[i], 16);  // each parameter starts on a cache line
  }
}

void Optimizer::make_slot(const std::string& name) {
  AlignedBuffer& slot = slots_.at(name);
  if (!slot.data()) slot = AlignedBuffer(static_cast<std::size_t>(std::max<Index>(elements_, 1)) * sizeof(float));
}

std::vector<std::string> Optimizer::slot_names() const {
  std::vector<std::string> names;
  for (const auto& [name, buffer] : slots_) names.push_back(name);
  return names;
}

Index Optimizer::bytes() const {
  Index bytes = 0;
  for (const auto& [name, buffer] : slots_) bytes += static_cast<Index>(buffer.size());
  return bytes;
}

void Optimizer::prepare(const std::vector<Hyper>& groups) {
  const Kind& kind = find_kind(kind_);
  for (std::size_t group : groups_)
    require(group < groups.size(), "optimizer", "there must be hyperparameters for each group", "group ", group, " of ", groups.size());
  std::vector<WeightUpdate> step;
  for (const Hyper& hyper : groups) step.push_back(constants(hyper));
  step_ = std::move(step);
  const bool always = kind_ == "adagrad" || kind_ == "adam" || kind_ == "adamw";
  if (kind.second_slot) make_slot(kind.second_slot);
  if (always || std::any_of(step_.begin(), step_.end(), [](const WeightUpdate& group) { return group.keep_first > 0; }))
    if (kind.first_slot) make_slot(kind.first_slot);
}

WeightUpdate Optimizer::constants(const Hyper& hyper) const {
  const Kind& kind = find_kind(kind_);
  for (const auto& given : hyper) {
    const bool known =
        std::any_of(kind.hyperparameters.begin(), kind.hyperparameters.end(), [&](const char* k) { return given.first == k; });
    require(known, kind.name, "there is no hyperparameter of this name", given.first);
  }
  WeightUpdate step{};
  step.rate = number(kind, hyper, "lr");
  step.weight_decay = number(kind, hyper, "weight_decay");
  step.eps = number(kind, hyper, "eps");
  step.keep_weights = 1;
  step.keep_first = number(kind, hyper, "momentum");
  step.nesterov = number(kind, hyper, "nesterov") != 0;
  require(!step.nesterov || step.keep_first > 0, kind.name, "nesterov needs a momentum", "momentum=", step.keep_first);
  if (kind_ == "adagrad") step.rate /= 1 + static_cast<float>(steps) * number(kind, hyper, "lr_decay");
  if (kind_ == "rmsprop") set_average(kind, hyper, "alpha", step.keep_second, step.add_second);
  if (kind_ == "adam" || kind_ == "adamw") add_adam_constants(hyper, step);
  return step;
}

// Step t divides the averages by 1 - beta^t (bias correction).
void Optimizer::add_adam_constants(const Hyper& hyper, WeightUpdate& step) const {
  const Kind& kind = find_kind(kind_);
  const double t = static_cast<double>(steps + 1);
  set_average(kind, hyper, "beta1", step.keep_first, step.add_first);
  set_average(kind, hyper, "beta2", step.keep_second, step.add_second);
  if (kind_ == "adamw") {
    step.keep_weights = static_cast<float>(1 - value_of(hyper, "lr") * value_of(hyper, "weight_decay"));
    step.weight_decay = 0;
  }
  step.rate = static_cast<float>(value_of(hyper, "lr") / (1 - std::pow(value_of(hyper, "beta1"), t)));
  step.root_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(value_of(hyper, "beta2"), t)));
}

void Optimizer::update(const Kernels& kernels, std::size_t parameter, Index start, Index count, float* weights, const float* gradient,
                       float gradient_scale) const {
  const Kind& kind = find_kind(kind_);
  const auto slot_of = [&](const char* name) { return name && has_slot(name) ? slot(name, parameter) + start : nullptr; };
  WeightUpdate step = step_[groups_[parameter]];
  const bool momentum_only = kind_ == "sgd" || kind_ == "rmsprop";  // a group without momentum leaves its part of the slot alone
  step.weights = weights;
  step.gradient = gradient;
  step.first = momentum_only && step.keep_first == 0 ? nullptr : slot_of(kind.first_slot);
  step.second = slot_of(kind.second_slot);
  step.count = count;
  step.gradient_scale = gradient_scale;
  (kernels.*kind.update)(step);
}

}  // namespace fastcnn
