// `--label` of `valley sample`: the classes of samples, and those of conditional generators.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/sample/latents.h"
#include "inference/saved_model.h"
#include "storage/safetensors.h"

namespace valley::app {

struct LabelChoice {
  bool each = false;
  bool walks = false;                 // A..B: from the first of two classes to the second
  std::vector<std::int64_t> classes;  // in the order of the command line; empty for `each`
};

// "3", "0,3,5", "3..8" or "each"; nullopt for "". Error kUsage for other text.
[[nodiscard]] std::optional<LabelChoice> parse_label(const std::string& text);

// Error kUsage for a model without classes, for which `text` was given.
void require_conditional(const SavedModel& saved, const std::string& text);

// The rows of classes that a choice asks for, out of `labels`. Error kUsage naming `file` for a
// class that is out of range.
[[nodiscard]] std::vector<std::int64_t> chosen_classes(const LabelChoice& choice,
                                                       std::int64_t labels,
                                                       const std::string& file);

// Steps of a walk between classes: those of --interpolate. Error kUsage if they are out of range.
[[nodiscard]] std::int64_t class_walk_steps(const LabelChoice& choice,
                                            const LatentArguments& latents);

// Number of samples of generate_classes: `n` for a walk between classes, else `n` per class.
[[nodiscard]] std::int64_t count_class_samples(const LabelChoice& choice, std::int64_t n,
                                               const SavedModel& saved);

// Samples of a conditional generator from latent vectors `ends` [n, latent], those of `seeds`
// unless they come from a file: "latents", "pixels", and "labels": int64 [n], or float [n, classes]
// with the weights of mixtures.
//   no choice  each seed has the class of labels_from_seeds, row i of a file that of seed i
//   each, list one row per class, with the same latents in all rows
//   walk       one row per latent vector, from the first class to the second in the steps of
//              --interpolate, linear in the embedding
// --interpolate without a walk between classes: paths from each latent vector to the next, and
// from its class to that of the next.
[[nodiscard]] TensorMap generate_classes(const std::optional<LabelChoice>& choice,
                                         const LatentArguments& latents, const SavedModel& saved,
                                         const at::Tensor& ends,
                                         const std::vector<std::uint64_t>& seeds, bool is_animated);

}  // namespace valley::app
