// The description of a training method: all that the program needs to know besides its equations
// (Objective) and its networks (Model). train, plan, run, report, doctor and app use this class and
// never compare method names.
//
// To add a method: write its folder in src/methods with options, networks, an Objective and a
// TypedMethod, and add it to registry.cpp (docs/architecture.md, "Adding a method").
#pragma once

#include <any>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "methods/augment_options.h"
#include "methods/objective.h"
#include "methods/options.h"
#include "methods/panel.h"
#include "methods/phase_work.h"
#include "nn/model.h"

namespace valley {

// train.schedule.
enum class UpdateSchedule {
  kAlternating,  // D and G are updated in turn, each with its own latents
  kShared,       // one backward pass over the same generated images updates both (BEGAN)
};

// The training that an objective belongs to.
struct ObjectiveSetting {
  // NOLINTNEXTLINE(google-explicit-constructor): the other members have sensible defaults
  ObjectiveSetting(at::Device where = at::kCPU, LatentDraw draw = {})
      : device(where), latent(draw) {}
  at::Device device;  // holds parameters and state
  LatentDraw latent;
  UpdateSchedule schedule = UpdateSchedule::kAlternating;
  double learning_rate = 1e-4;  // initial value, which stages may scale
  std::uint64_t seed = 0;
  std::int64_t epoch_steps = 1;       // floor(images / global batch), at least 1
  std::int64_t microbatches = 1;      // per step, on all ranks
  std::int64_t first_microbatch = 0;  // index of this rank's first one
  std::int64_t own_microbatches = 1;
  std::int64_t microbatch_size = 1;
  std::int64_t resolution = 64;
  std::int64_t channels = 3;
  AugmentOptions augment;
};

// Bytes of an objective's state, for all microbatches together. Checkpoints have both.
struct StateBytes {
  std::int64_t replay = 0;  // on the host, divided among the ranks
  std::int64_t chains = 0;  // on the device
};

// A config key whose default differs from the schema's.
struct KeyDefault {
  std::string key;    // "optimizer.lr"
  std::string value;  // as TOML: "2e-4", "\"adamax\""
};

// A key of another method that this one rejects if it is set.
struct ForeignKey {
  std::string key;      // "objective.margin"
  std::string owner;    // "EBGAN"
  std::string instead;  // completes "objective.name = "began" ...": "uses k instead"
};

// The optimizer that updates the objective's networks.
struct OptimizerFacts {
  std::string name;  // optimizer.name
  double momentum = 0;
};

class Method {
 public:
  virtual ~Method() = default;

  // The value of objective.name, and of model.name for the method's own networks.
  [[nodiscard]] virtual std::string_view name() const = 0;

  // The paper's settings.
  [[nodiscard]] virtual std::vector<KeyDefault> defaults() const { return {}; }

  // The networks, on `device`, uninitialized (zeros; without memory on at::kMeta). Error kConfig
  // for unsupported shapes.
  [[nodiscard]] virtual std::unique_ptr<Model> make_model(const ModelOptions& options,
                                                          at::Device device) const = 0;
  // True if the networks compute in fp32 only.
  [[nodiscard]] virtual bool needs_fp32() const { return false; }

  // A default-constructed options struct of the method, and the binding of its keys: see
  // TypedMethod.
  [[nodiscard]] virtual std::any make_options() const = 0;
  virtual void add_keys(std::any& options, Schema& schema) const = 0;

  // `model` outlives the objective; its parameters are on `setting.device`. Error kConfig for
  // options out of range, or for a model without the networks that the objective needs.
  [[nodiscard]] virtual std::unique_ptr<Objective> make_objective(
      const ObjectiveOptions& options, const Model& model,
      const ObjectiveSetting& setting) const = 0;
  // Sets defaults of one option that depend on whether others were given.
  virtual void settle(ObjectiveOptions& /*options*/, const Schema& /*schema*/) const {}
  [[nodiscard]] virtual std::vector<ForeignKey> rejected_keys() const { return {}; }
  // True if a term of the loss couples the samples of a microbatch, so that its size is part of
  // the objective's definition.
  [[nodiscard]] virtual bool couples_samples(const ObjectiveOptions& /*options*/) const {
    return false;
  }
  // Number of classes, 0 to n - 1, of the labels that the data must have; 0: labels are not read.
  [[nodiscard]] virtual std::int64_t needed_labels(const ObjectiveOptions& /*options*/,
                                                   const ModelOptions& /*model*/) const {
    return 0;
  }
  // True if training images may lack the labels of needed_labels, but not all of them.
  [[nodiscard]] virtual bool accepts_unlabeled(const ObjectiveOptions& /*options*/) const {
    return false;
  }
  [[nodiscard]] virtual StateBytes state_bytes(const ObjectiveOptions& /*options*/,
                                               const ModelOptions& /*model*/,
                                               std::int64_t /*global_batch*/) const {
    return {};
  }
  // Work of one phase per image and network; nothing if it is not known for this model.
  [[nodiscard]] virtual std::optional<PhaseWork> phase_work(const ObjectiveOptions& /*options*/,
                                                            const Model& /*model*/,
                                                            const Phase& /*phase*/) const {
    return std::nullopt;
  }
  // Lines about the work of a step for the plan that `train --dry-run` prints.
  [[nodiscard]] virtual std::vector<std::string> plan_lines(
      const ObjectiveOptions& /*options*/) const {
    return {};
  }
  // A warning about options that are known to diverge with an optimizer, logged at the launch.
  [[nodiscard]] virtual std::optional<std::string> warning(
      const ObjectiveOptions& /*options*/, const OptimizerFacts& /*optimizer*/) const {
    return std::nullopt;
  }

  // True if the objective augments the images of a discriminator (augment.*).
  [[nodiscard]] virtual bool can_augment() const { return false; }
  // True if steps or the chains in them can be recorded as CUDA graphs.
  [[nodiscard]] virtual bool can_record_graphs() const { return true; }
  // True if energy/real is a reconstruction error, which stays bounded: a steep rise is a warning.
  [[nodiscard]] virtual bool energies_are_errors() const { return true; }
  // The gap of the mean energies of generated and real samples at which the loss has its minimum,
  // if it has one: a training that stays there tells all samples from data and learns no more.
  [[nodiscard]] virtual std::optional<double> separating_gap(
      const ObjectiveOptions& /*options*/) const {
    return std::nullopt;
  }
  // The unit of energies in reports: objective.energy unless the method's energies have another
  // one; "" without a unit.
  [[nodiscard]] virtual std::string energy_unit(const std::string& energy_key) const {
    return energy_key;
  }
  // The panels of a report besides those that all runs have.
  [[nodiscard]] virtual std::vector<Panel> panels() const { return {}; }
};

// A Method with an options struct. The functions that receive all ObjectiveOptions take their own
// with `options.as<Options>()`.
template <class Options>
class TypedMethod : public Method {
 public:
  [[nodiscard]] std::any make_options() const final { return Options(); }
  void add_keys(std::any& options, Schema& schema) const final {
    std::any_cast<Options&>(options).add_keys(schema);
  }
};

}  // namespace valley
