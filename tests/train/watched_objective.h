// An objective that forwards to another one and reports its calls.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "methods/registry.h"

namespace valley::testing {

struct Watch {
  bool prefetches = true;  // false: prefetch does nothing
  std::function<void(const Phase&)> before_pass = [](const Phase&) {};
  std::function<void(const Phase&)> after_prefetch = [](const Phase&) {};
  // Also after a microbatch that is repeated for an audit.
  std::function<void(const Phase&)> after_gradients = [](const Phase&) {};
};

class WatchedObjective final : public Objective {
 public:
  WatchedObjective(std::unique_ptr<Objective> watched, Watch watch)
      : watched_(std::move(watched)), watch_(std::move(watch)) {}
  // The watch of objectives that `make` creates from now on.
  static inline Watch next;
  // An ObjectiveFactory that wraps the objective named in the options.
  static std::unique_ptr<Objective> make(const ObjectiveOptions& options, const Model& model,
                                         const ObjectiveSetting& setting) {
    return std::make_unique<WatchedObjective>(make_objective(options, model, setting), next);
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    watch_.before_pass(phase);
    watched_->accumulate_gradients(phase, microbatch, sums);
    watch_.after_gradients(phase);
  }
  [[nodiscard]] TensorMap own_inputs(const Phase& phase,
                                     const Microbatch& microbatch) const override {
    return watched_->own_inputs(phase, microbatch);
  }
  void repeat_gradients(const Phase& phase, const Microbatch& microbatch, const TensorMap& inputs,
                        const at::Tensor& sums) override {
    watched_->repeat_gradients(phase, microbatch, inputs, sums);
    watch_.after_gradients(phase);
  }
  void prefetch(const Phase& phase, Microbatch& microbatch) const override {
    if (!watch_.prefetches) return;
    watched_->prefetch(phase, microbatch);
    watch_.after_prefetch(phase);
  }

  [[nodiscard]] std::vector<Stage> stages() const override { return watched_->stages(); }
  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    return watched_->sums_of(phase);
  }
  void update_controller(const GlobalSums& sums) override { watched_->update_controller(sums); }
  [[nodiscard]] bool has_epochs() const override { return watched_->has_epochs(); }
  EpochReport end_epoch(const GlobalSums& sums) override { return watched_->end_epoch(sums); }
  [[nodiscard]] std::vector<std::string> sample_metrics() const override {
    return watched_->sample_metrics();
  }
  [[nodiscard]] std::vector<ReportValue> report() const override { return watched_->report(); }
  [[nodiscard]] std::optional<at::Tensor> convergence() const override {
    return watched_->convergence();
  }
  void save(TensorMap& state) const override { watched_->save(state); }
  void load(const TensorMap& state, const std::string& where) override {
    watched_->load(state, where);
  }

 private:
  std::unique_ptr<Objective> watched_;
  Watch watch_;
};

}  // namespace valley::testing
