// A trained model, built again from a file alone.
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
  bool averaged = false;                        // whether networks hold their moving averages
  std::map<std::string, std::string> metadata;  // the file's: model.* and objective.* keys
  at::Device device = at::kCPU;
};

enum class Weights { kAveraged, kRaw };  // averaged: where the file has them, else raw

// `named`: a run directory, a checkpoint or a model.safetensors. The checkpoint's SHA-256 is
// verified where there is one. The shapes that the metadata describe are compared with the file's
// tensors before anything of that size is allocated. Error kMissingInput or kData naming the file;
// kData also where a network's tensor has values that are not finite.
[[nodiscard]] SavedModel load_model(const std::filesystem::path& named, Weights weights,
                                    at::Device device);

// Gives all networks of `saved` the weights that a training with this seed starts from: what its
// samples are worth is what training has made of them.
void reset_weights(SavedModel& saved, std::uint64_t seed);

}  // namespace valley
