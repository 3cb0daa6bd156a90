// Saves the state of a Trainer to checkpoints and restores it.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "train/digests.h"
#include "train/trainer.h"

namespace valley {
namespace {

constexpr const char* kStepEntry = "position.step";
constexpr const char* kImagesEntry = "position.images";
constexpr const char* kFingerprint = "data.fingerprint";
constexpr const char* kConfigPrefix = "config.";
constexpr const char* kRescues = "rescues";
constexpr const char* kLineage = "lineage";

// The keys of a checkpoint's config.
std::map<std::string, std::string> saved_config(
    const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> saved;
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(kConfigPrefix))
      saved[key.substr(std::string(kConfigPrefix).size())] = value;
  }
  return saved;
}

}  // namespace

std::string Trainer::digest() const {
  Sha256 sha;
  const auto add = [&](const at::Tensor& tensor) {
    const at::Tensor flat = tensor.detach().to(at::kCPU).contiguous();
    sha.update({static_cast<const std::byte*>(flat.const_data_ptr()), flat.nbytes()});
  };
  for (const auto& t : trained_) add(t->group.values());
  TensorMap state;
  objective_->save(state);
  for (const auto& [name, tensor] : state) add(tensor);
  return sha.hex();
}

void Trainer::compare_replicas(const std::string& when) const {
  await_device(communicator_);
  Digests digests;
  for (const auto& t : trained_) t->group.add_digests(t->group.name(), digests);
  // Their running moments are estimated by ranks that need them (estimate_average_moments).
  for (const auto& a : averages_)
    digests.add_flat("averaged " + a->name() + ".", a->layout(), a->parameters(), false);
  for (const auto& t : trained_) t->optimizer->add_digests(digests);
  TensorMap state;
  rates_.save(state);
  objective_->save(state);
  for (const auto& [phase, sums] : epoch_sums_) state["epoch." + phase] = sums;
  for (const auto& [name, tensor] : state) digests.add(name, tensor);
  digests.add("position", state_.position);
  valley::compare_replicas(communicator_, digests, when);
}

TensorMap Trainer::gather_owned(bool is_wanted) const {
  const bool is_kept = is_wanted || communicator_.rank() == 0;
  TensorMap all;
  for (const auto& [name, own] : objective_->save_owned()) {
    std::vector<at::Tensor> parts;
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      const at::Tensor part = rank == communicator_.rank() ? own.contiguous() : at::empty_like(own);
      communicator_.broadcast(part, rank)->wait();
      if (is_kept) parts.push_back(part.to(at::kCPU));
    }
    if (is_kept) all[name] = at::cat(parts);
  }
  return all;
}

Checkpoint Trainer::snapshot(const Schema& schema, const std::string& fingerprint,
                             const TensorMap& owned, DeferredCopies* later) const {
  Checkpoint c;
  c.step = steps_done_;
  c.model.metadata = experiment_.model.to_metadata();
  c.model.metadata["format"] = "valley-model";
  c.model.metadata["format_version"] = "1";
  for (const auto& [key, value] : schema.values()) {
    if (key.starts_with("objective.")) c.model.metadata[key] = value;
  }
  if (!lineage_.empty()) c.model.metadata[kLineage] = lineage_;
  for (const auto& t : trained_) t->group.save(t->group.name() + ".", c.model.tensors, later);
  estimate_average_moments();
  for (const auto& a : averages_) a->save(a->name() + "_ema.", c.model.tensors, later);

  TensorMap& state = c.state.tensors;
  rates_.save(state);
  objective_->save(state);
  for (const auto& [phase, sums] : epoch_sums_) state["epoch." + phase] = sums;
  for (auto& [name, tensor] : state) tensor = tensor.detach().to(at::kCPU).clone();
  for (const auto& t : trained_) t->optimizer->save(state, later);
  for (const auto& [name, tensor] : owned) state[name] = tensor;
  state[kStepEntry] = at::full({}, steps_done_, at::kLong);
  state[kImagesEntry] = at::full({}, images_seen(), at::kLong);
  c.state.metadata["format"] = "valley-state";
  c.state.metadata["format_version"] = "1";
  c.state.metadata[kFingerprint] = fingerprint;
  if (rescues_ > 0) c.state.metadata[kRescues] = std::to_string(rescues_);
  for (const auto& [key, value] : schema.values()) {
    if (!may_change_on_resume(key)) c.state.metadata[kConfigPrefix + key] = value;
  }
  return c;
}

void require_same_training(const std::map<std::string, std::string>& metadata, const Schema& schema,
                           const std::string& data_path, const std::string& fingerprint,
                           const std::string& where) {
  if (const auto conflicts = resume_conflicts(saved_config(metadata), schema); !conflicts.empty()) {
    throw Error(ExitCode::kConfig,
                "the config differs from that of {} in keys that cannot change on resume:\n  {}\n"
                "undo these changes, or start a new run with --resume none",
                where, fmt::join(conflicts, "\n  "));
  }
  const auto found = metadata.find(kFingerprint);
  if (found == metadata.end() || found->second != fingerprint) {
    throw Error(ExitCode::kConfig,
                "{} was trained on other data: its data fingerprint is {}, that of {} is {}; set "
                "data.path to the same data, or start a new run with --resume none",
                where, found == metadata.end() ? "absent" : found->second, data_path, fingerprint);
  }
}

void Trainer::restore(const Checkpoint& checkpoint, const Schema& schema,
                      const std::string& fingerprint, const std::string& where) {
  require_same_training(checkpoint.state.metadata, schema, experiment_.data.path, fingerprint,
                        where);
  state_.changes->wait();
  static_cast<void>(statuses_.read(true));
  const TensorMap& state = checkpoint.state.tensors;
  for (const auto& t : trained_) {
    t->group.load(t->group.name() + ".", checkpoint.model.tensors, where);
    t->optimizer->load(state, where);
  }
  for (const auto& a : averages_) a->load(a->name() + "_ema.", checkpoint.model.tensors, where);
  rates_.load(state, where);
  objective_->load(state, where);
  objective_->load_owned(state, where);
  load_position(state, where);
  set_rescues(rescues_before(checkpoint.state.metadata));
  const auto lineage = checkpoint.model.metadata.find(kLineage);
  lineage_ = lineage == checkpoint.model.metadata.end() ? "" : lineage->second;
  forget_steps();
}

// The state of steps that are not in checkpoints.
void Trainer::forget_steps() {
  state_.not_finite.zero_();
  statuses_.clear();
  sample_metrics_.reset();
  epoch_report_.reset();
}

std::size_t rescues_before(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find(kRescues);
  if (found == metadata.end()) return 0;
  std::size_t count = 0;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), count);
  return count;
}

void Trainer::load_position(const TensorMap& state, const std::string& where) {
  moments_step_ = -1;
  epoch_sums_.clear();
  for (const auto& [name, tensor] : state) {
    if (name.starts_with("epoch.")) epoch_sums_[name.substr(6)] = tensor.to(communicator_.device());
  }
  steps_done_ = require_tensor(state, kStepEntry, {}, where).item<std::int64_t>();
  state_.position.fill_(require_tensor(state, kImagesEntry, {}, where).item<std::int64_t>());
}

Trainer::Adopted Trainer::adopt(const TensorMap& model, const std::vector<std::string>& networks,
                                bool is_continued, const std::string& where) {
  VALLEY_CHECK(steps_done_ == 0);
  for (const std::string& name : networks) {
    if (model_->has_network(name)) continue;
    std::vector<std::string> names;
    for (const NamedNetwork& n : model_->networks()) names.push_back(n.name);
    throw Error(ExitCode::kConfig, "--from-networks: the model has no network \"{}\"; it has {}",
                name, fmt::join(names, ", "));
  }
  const auto is_wanted = [&](const std::string& name) {
    return networks.empty() || std::ranges::find(networks, name) != networks.end();
  };
  Adopted adopted;
  std::set<std::string> used;
  const auto take = [&](const FlatGroup& group, const std::string& prefix) {
    const MatchedTensors matched = group.load_matching(prefix, model);
    used.insert(matched.taken.begin(), matched.taken.end());
    return matched.others;
  };
  for (const auto& t : trained_) {
    if (!is_wanted(t->group.name())) continue;
    for (const std::string& name : take(t->group, t->group.name() + "."))
      adopted.initialized.push_back(name);
  }
  adopted.tensors = static_cast<std::int64_t>(used.size());
  if (used.empty())
    throw Error(ExitCode::kData,
                "{}: none of its {} tensors has the name and shape of one of this model; check "
                "model.* and --from-networks",
                where, model.size());
  for (const auto& average : averages_) {
    average->values().copy_(trained(average->name()).group.values());
    if (is_wanted(average->name())) take(*average, average->name() + "_ema.");
  }
  if (!is_continued) {
    const at::NoGradGuard no_grad;
    for (const NamedNetwork& n : model_->networks()) n.network->end_step(0);
  }
  for (const auto& [name, tensor] : model)
    if (!used.contains(name)) adopted.unused.push_back(name);
  moments_step_ = -1;
  return adopted;
}

void Trainer::adopt_state(const Checkpoint& checkpoint, const Schema& schema,
                          const std::string& where) {
  const std::map<std::string, std::string> saved = saved_config(checkpoint.state.metadata);
  std::vector<std::string> rate_changes;
  for (const std::string& conflict : resume_conflicts(saved, schema)) {
    const std::string key = conflict.substr(0, conflict.find(':'));
    if (key == "train.global_batch" || key == "objective.name" || key == "model.name")
      throw Error(ExitCode::kConfig,
                  "--from-state: the state of {} is of another training ({}); leave --from-state "
                  "out to start from the weights alone",
                  where, conflict);
    if (may_change_learning_rate(key)) rate_changes.push_back(conflict);
  }
  const TensorMap& state = checkpoint.state.tensors;
  for (const auto& t : trained_) t->optimizer->load_matching(state);
  objective_->load(state, where);
  objective_->load_owned(state, where);
  load_position(state, where);
  set_rescues(rescues_before(checkpoint.state.metadata));
  if (rate_changes.empty()) {
    rates_.load(state, where);
  } else {
    rates_.rewind_to(steps_done_);
  }
}

}  // namespace valley
