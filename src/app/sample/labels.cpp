#include "app/sample/labels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/tensor.h>

#include <numeric>
#include <string_view>

#include "core/error.h"
#include "core/numbers.h"
#include "inference/latent_walk.h"
#include "nn/sampling.h"

namespace valley::app {
namespace {

// "0,3,5" split at each `separator`; nullopt if a part is not an integer.
std::optional<std::vector<std::int64_t>> parse_classes(std::string_view text,
                                                       std::string_view separator) {
  std::vector<std::int64_t> classes;
  while (true) {
    const std::size_t end = text.find(separator);
    const auto value = parse_number<std::int64_t>(text.substr(0, end));
    if (!value) return std::nullopt;
    classes.push_back(*value);
    if (end == std::string_view::npos) return classes;
    text.remove_prefix(end + separator.size());
  }
}

at::Tensor one_hot_rows(const at::Tensor& labels, std::int64_t classes) {
  return at::one_hot(labels.cpu(), classes).to(at::kFloat).to(labels.device());
}

// Latents and labels of samples, in order.
struct Draws {
  at::Tensor latents;
  at::Tensor labels;
};

Draws class_walk(const LabelChoice& choice, std::int64_t steps, const at::Tensor& latents,
                 std::int64_t classes) {
  const at::Tensor ends = at::tensor(choice.classes, latents.options().dtype(at::kLong));
  const at::Tensor weights =
      interpolate_latents(one_hot_rows(ends, classes), steps, LatentPath::kLinear);
  return {latents.repeat_interleave(steps, 0), weights.repeat({latents.size(0), 1})};
}

Draws class_rows(const std::vector<std::int64_t>& rows, const at::Tensor& latents) {
  std::vector<at::Tensor> labels;
  for (const std::int64_t label : rows)
    labels.push_back(at::full({latents.size(0)}, label, latents.options().dtype(at::kLong)));
  return {latents.repeat({static_cast<std::int64_t>(rows.size()), 1}), at::cat(labels)};
}

}  // namespace

std::optional<LabelChoice> parse_label(const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (text == "each") return LabelChoice{true, false, {}};
  const bool walks = text.find("..") != std::string::npos;
  const auto classes = parse_classes(text, walks ? ".." : ",");
  if (!classes || (walks && classes->size() != 2))
    throw Error(ExitCode::kUsage,
                "--label {}: write the index of a class, or each, or several as 0,3,5, or a walk "
                "between two as 3..8",
                text);
  return LabelChoice{false, walks, *classes};
}

void require_conditional(const SavedModel& saved, const std::string& text) {
  if (saved.options.labels > 0) return;
  throw Error(ExitCode::kUsage,
              "--label {}: {} does not know classes, because it was trained with model.labels = 0; "
              "leave --label out",
              text, saved.file.string());
}

std::vector<std::int64_t> chosen_classes(const LabelChoice& choice, std::int64_t labels,
                                         const std::string& file) {
  for (const std::int64_t label : choice.classes) {
    if (label < 0 || label >= labels)
      throw Error(ExitCode::kUsage, "--label {}: {} has classes 0 to {}", label, file, labels - 1);
  }
  std::vector<std::int64_t> rows = choice.classes;
  for (std::int64_t i = 0; choice.each && i < labels; ++i) rows.push_back(i);
  return rows;
}

std::int64_t class_walk_steps(const LabelChoice& choice, const LatentArguments& latents) {
  const std::int64_t steps = latents.interpolate;
  if (steps < kMinWalkSteps || steps > kMaxWalkSteps)
    throw Error(ExitCode::kUsage,
                "--label {}..{} walks between two classes: set its number of steps with "
                "--interpolate, from {} to {}",
                choice.classes[0], choice.classes[1], kMinWalkSteps, kMaxWalkSteps);
  if (latents.loop || latents.path != "auto")
    throw Error(ExitCode::kUsage,
                "--label {}..{} walks between two classes with constant latent vectors: leave "
                "--path and --loop out",
                choice.classes[0], choice.classes[1]);
  return steps;
}

std::int64_t count_class_samples(const LabelChoice& choice, std::int64_t n,
                                 const SavedModel& saved) {
  const auto rows = chosen_classes(choice, saved.options.labels, saved.file.string());
  return choice.walks ? n : n * static_cast<std::int64_t>(rows.size());
}

TensorMap generate_classes(const std::optional<LabelChoice>& choice, const LatentArguments& a,
                           const SavedModel& saved, const at::Tensor& ends,
                           const std::vector<std::uint64_t>& seeds, bool is_animated) {
  const std::int64_t classes = saved.options.labels;
  Draws draws;
  if (choice && choice->walks) {
    static_cast<void>(chosen_classes(*choice, classes, saved.file.string()));
    draws = class_walk(*choice, class_walk_steps(*choice, a), ends, classes);
  } else if (choice) {
    draws = class_rows(chosen_classes(*choice, classes, saved.file.string()),
                       interpolate_ends(a, ends, saved, is_animated));
  } else {
    std::vector<std::uint64_t> numbers = seeds;
    if (!a.file.empty()) {
      numbers.resize(static_cast<std::size_t>(ends.size(0)));
      std::iota(numbers.begin(), numbers.end(), 0);
    }
    const at::Tensor labels = labels_from_seeds(numbers, classes, saved.device);
    draws = {interpolate_ends(a, ends, saved, is_animated),
             a.interpolate == 0
                 ? labels
                 : walk_ends(a, one_hot_rows(labels, classes), LatentPath::kLinear, is_animated)};
  }
  constexpr std::int64_t kBatch = 64;
  return {{"latents", draws.latents.to(at::kCPU)},
          {"labels", draws.labels.to(at::kCPU)},
          {"pixels", generate_pixels(*saved.model, draws.latents, kBatch, draws.labels)}};
}

}  // namespace valley::app
