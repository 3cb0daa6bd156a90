// A small training with audits on all ranks, on which tests break one rank: bits of its weights,
// moments, gradients or pixels.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/ranked_test.h"
#include "core/hash.h"
#include "kernels/device.h"
#include "run/auditor.h"
#include "support/small_training.h"
#include "train/trainer.h"
#include "train/watched_objective.h"

namespace valley::testing {

// Pixels and labels computed from the index of the image.
class ComputedImages final : public Dataset {
 public:
  ComputedImages(const ModelOptions& model, std::int64_t classes)
      : side_(model.resolution), channels_(model.channels), classes_(classes) {}
  [[nodiscard]] std::uint64_t size() const override { return kImages; }
  [[nodiscard]] std::int64_t height() const override { return side_; }
  [[nodiscard]] std::int64_t width() const override { return side_; }
  [[nodiscard]] std::int64_t channels() const override { return channels_; }
  [[nodiscard]] std::string fingerprint() const override { return "computed"; }
  [[nodiscard]] const std::filesystem::path& directory() const override { return directory_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return none_; }
  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool /*verify*/) const override {
    for (std::size_t i = 0; i < pixels.size(); ++i)
      pixels[i] = static_cast<std::uint8_t>(hash64(index, i, 5));
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return static_cast<std::int64_t>(index) % classes_;
  }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return std::to_string(index);
  }
  std::uint64_t prefetch(std::span<const std::uint64_t> /*indices*/) const override { return 0; }

 private:
  std::int64_t side_, channels_, classes_;
  std::filesystem::path directory_;
  std::vector<std::string> none_;
};

inline void flip_bit(const at::Tensor& tensor, std::uint64_t bit) {
  auto* bytes = static_cast<std::uint8_t*>(tensor.mutable_data_ptr());
  const std::uint64_t at = bit % (8 * tensor.nbytes());
  bytes[at / 8] ^= static_cast<std::uint8_t>(1U << (at % 8));
}

// What breaks in a training from step `from` (counted from 0) on, on rank `rank`. Values of `at`
// choose the place of the broken bit.
struct Break {
  std::string what;  // "weights", "moments", "gradients", "pixels"; "": nothing
  int rank = 0;
  std::int64_t from = 0;
  std::uint64_t at = 0;
};

class AuditedTraining {
 public:
  // An audit every `every` steps; 0: none.
  AuditedTraining(Experiment e, std::int64_t microbatch, std::int64_t every,
                  std::function<void(Trainer&, const Phase&)> after_gradients = {})
      : experiment_(std::move(e)),
        images_(std::make_shared<ComputedImages>(experiment_.model, 3)),
        order_(experiment_.seed(), images_->order_parts(), experiment_.data.order) {
    experiment_.train.audit_every = every;
    set_arithmetic({Precision::kFp32, true, 1});
    Communicator& communicator = world().device();
    Watch watch;
    watch.after_gradients = [this, after_gradients](const Phase& phase) {
      if (after_gradients) after_gradients(*trainer_, phase);
      if (is_broken("gradients")) break_tensor(phase, true);
    };
    WatchedObjective::next = watch;
    trainer_ = std::make_unique<Trainer>(
        experiment_,
        plan_microbatches(experiment_.train.global_batch, microbatch, communicator.size(),
                          experiment_.train.reproducible),
        communicator, kImages, WatchedObjective::make);
    WatchedObjective::next = {};
    auditor_.emplace(world(), experiment_, images_, trainer_->plan(), 0);
  }

  void set_break(Break what) { broken_ = std::move(what); }
  [[nodiscard]] Trainer& trainer() { return *trainer_; }
  [[nodiscard]] const RunAuditor& auditor() const { return *auditor_; }

  // Throws CorruptionFound.
  void step() {
    const std::int64_t step = trainer_->steps_done();
    const bool begins = step == broken_.from && broken_.rank == world().rank();
    if (begins && broken_.what == "weights") {
      const Stage stage = trainer_->objective().stages().front();
      break_tensor(stage.phases.at(broken_.at % stage.phases.size()), false);
    }
    if (step == broken_.from && broken_.what == "moments") break_moments(begins);
    const auto [pixels, labels] = share_of(step);
    if (is_broken("pixels"))
      for (std::int64_t i = 0; i < pixels.size(0); ++i) flip_bit(pixels[i], broken_.at);
    const AuditRequest* audit = auditor_->request(step + 1);
    trainer_->step(pixels, false, labels, audit);
    if (audit != nullptr) auditor_->confirm(0, trainer_->has_rounding());
  }

  // The difference found in one of `steps` steps, if any, and the number of steps before it.
  struct Found {
    std::string what;
    std::vector<int> suspects;
    std::int64_t step = 0;
  };
  std::optional<Found> run(std::int64_t steps) {
    for (std::int64_t i = 0; i < steps; ++i) {
      try {
        step();
      } catch (const CorruptionFound& found) {
        return Found{found.what(), found.suspects(), trainer_->steps_done()};
      }
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] bool is_broken(const std::string& what) const {
    return broken_.what == what && broken_.rank == world().rank() &&
           trainer_->steps_done() >= broken_.from;
  }

  // A bit of a parameter of a network that the phase updates, or of its gradient.
  void break_tensor(const Phase& phase, bool gradient) {
    if (phase.updates.empty()) return;
    const Network& network =
        trainer_->model().network(phase.updates.at(broken_.at % phase.updates.size()));
    const auto& all = network.parameters().all();
    const at::Tensor& value = all.at(broken_.at % all.size()).value;
    flip_bit(gradient ? value.grad() : value, mix64(broken_.at));
  }

  void break_moments(bool is_victim) {
    const Schema schema = experiment_.schema();
    Checkpoint state = trainer_->snapshot(schema, "computed", trainer_->gather_owned());
    if (!is_victim) return;
    std::vector<at::Tensor> moments;
    for (const auto& [name, tensor] : state.state.tensors)
      if (name.starts_with("optimizer.") && tensor.dim() > 0) moments.push_back(tensor);
    const at::Tensor& moment = moments.at(broken_.at % moments.size());
    flip_bit(moment, mix64(broken_.at));
    trainer_->restore(state, schema, "computed", "here");
  }

  std::pair<at::Tensor, at::Tensor> share_of(std::int64_t step) const {
    const std::int64_t share = trainer_->plan().share();
    const at::Tensor pixels =
        at::empty({share, images_->height(), images_->width(), images_->channels()}, at::kByte);
    const at::Tensor labels = at::empty({share}, at::kLong);
    for (std::int64_t i = 0; i < share; ++i) {
      const std::uint64_t image = order_.image_at(static_cast<std::uint64_t>(
          step * trainer_->plan().global_batch + world().rank() * share + i));
      images_->read(
          image, {static_cast<std::uint8_t*>(pixels[i].mutable_data_ptr()), images_->image_bytes()},
          false);
      labels[i] = images_->label(image);
    }
    return {pixels, labels};
  }

  Experiment experiment_;
  std::shared_ptr<const Dataset> images_;
  Order order_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<RunAuditor> auditor_;
  Break broken_;
};

}  // namespace valley::testing
