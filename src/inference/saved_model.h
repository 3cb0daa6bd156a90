// A trained model, rebuilt from its file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "nn/model.h"

namespace valley {

struct SavedModel {
  ModelOptions options;
  std::unique_ptr<Model> model;  // on `device`, frozen
  std::filesystem::path file;
  bool averaged = false;                        // true: networks have their averaged weights
  std::map<std::string, std::string> metadata;  // model.* and objective.* keys
  at::Device device = at::kCPU;
};

enum class Weights { kAveraged, kRaw };  // averaged: raw if the file has no averages

// `path`: a run directory, a checkpoint or a model.safetensors. Verifies the SHA-256 of a
// checkpoint. Compares the shapes from the metadata with the tensors of the file before memory is
// allocated for them. Error kMissingInput or kData naming the file; kData also for values that are
// not finite.
[[nodiscard]] SavedModel load_model(const std::filesystem::path& path, Weights weights,
                                    at::Device device);

// Resets all networks of `saved` to the initial weights of a training with this seed.
void reset_weights(SavedModel& saved, std::uint64_t seed);

}  // namespace valley
