// Saves the state of a Trainer to checkpoints and restores it.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <fmt/ranges.h>

#include <functional>

#include "core/error.h"
#include "core/hash.h"
#include "train/trainer.h"

namespace valley {
namespace {

constexpr const char* kStepEntry = "position.step";
constexpr const char* kImagesEntry = "position.images";
constexpr const char* kFingerprint = "data.fingerprint";
constexpr const char* kConfigPrefix = "config.";

// Calls `take` with the bytes of each tensor: networks, then the objective's state.
void for_each_state(const std::vector<std::unique_ptr<TrainedNetwork>>& networks,
                    const Objective& objective, const std::function<void(Bytes)>& take) {
  const auto pass = [&](const at::Tensor& tensor) {
    const at::Tensor flat = tensor.detach().to(at::kCPU).contiguous();
    take({static_cast<const std::byte*>(flat.const_data_ptr()), flat.nbytes()});
  };
  for (const auto& t : networks) pass(t->group.values());
  TensorMap state;
  objective.save(state);
  for (const auto& [name, tensor] : state) pass(tensor);
}

}  // namespace

std::string Trainer::digest() const {
  Sha256 sha;
  for_each_state(trained_, *objective_, [&](Bytes bytes) { sha.update(bytes); });
  return sha.hex();
}

std::string Trainer::checksum() const {
  std::string text;
  for_each_state(trained_, *objective_,
                 [&](Bytes bytes) { text += fmt::format("{:08x}", crc32c(bytes)); });
  return text;
}

TensorMap Trainer::gather_owned() const {
  TensorMap all;
  for (const auto& [name, own] : objective_->save_owned()) {
    std::vector<at::Tensor> parts;
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      const at::Tensor part = rank == communicator_.rank() ? own.contiguous() : at::empty_like(own);
      communicator_.broadcast(part, rank)->wait();
      if (communicator_.rank() == 0) parts.push_back(part.to(at::kCPU));
    }
    if (communicator_.rank() == 0) all[name] = at::cat(parts);
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
  for (const auto& [key, value] : schema.values()) {
    if (!may_change_on_resume(key)) c.state.metadata[kConfigPrefix + key] = value;
  }
  return c;
}

void require_same_training(const std::map<std::string, std::string>& metadata, const Schema& schema,
                           const std::string& data_path, const std::string& fingerprint,
                           const std::string& where) {
  std::map<std::string, std::string> saved;
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(kConfigPrefix))
      saved[key.substr(std::string(kConfigPrefix).size())] = value;
  }
  if (const auto conflicts = resume_conflicts(saved, schema); !conflicts.empty()) {
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
  const TensorMap& state = checkpoint.state.tensors;
  for (const auto& t : trained_) {
    t->group.load(t->group.name() + ".", checkpoint.model.tensors, where);
    t->optimizer->load(state, where);
  }
  for (const auto& a : averages_) a->load(a->name() + "_ema.", checkpoint.model.tensors, where);
  moments_step_ = -1;
  rates_.load(state, where);
  objective_->load(state, where);
  objective_->load_owned(state, where);
  epoch_sums_.clear();
  for (const auto& [name, tensor] : state) {
    if (name.starts_with("epoch.")) epoch_sums_[name.substr(6)] = tensor.to(communicator_.device());
  }
  steps_done_ = require_tensor(state, kStepEntry, {}, where).item<std::int64_t>();
  state_.position.fill_(require_tensor(state, kImagesEntry, {}, where).item<std::int64_t>());
}

}  // namespace valley
