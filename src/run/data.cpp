#include "run/data.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"
#include "core/weighted_list.h"
#include "data/mixture.h"

namespace valley {
namespace {

void require_shape(const Dataset& data, const std::string& path, const ModelOptions& model) {
  if (data.height() == model.resolution && data.width() == model.resolution &&
      data.channels() == model.channels)
    return;
  throw Error(ExitCode::kConfig,
              "{} holds {}x{} images of {}, but model.resolution = {} and "
              "model.channels = {}; set these to match, or build shards with --resolution {} "
              "--channels {}",
              path, data.width(), data.height(), plural(data.channels(), "channel"),
              model.resolution, model.channels, model.resolution,
              model.channels == 1 ? "gray" : "rgb");
}

// Overrides that train without classes.
std::string without_classes(const ModelOptions& model) {
  return model.layers.empty() ? "model.labels=0" : "model.labels=0 objective.fine_tune_epochs=0";
}

// Returns the number of images without a label, which are errors unless they are accepted.
std::uint64_t require_labels(const Dataset& data, const std::string& path,
                             const ModelOptions& model, bool accepts_unlabeled = false) {
  const std::int64_t classes = model.labels;
  std::uint64_t unlabeled = 0;
  for (std::uint64_t i = 0; i < data.size(); ++i) {
    const std::int64_t label = data.label(i);
    if (label >= 0 && label < classes) continue;
    if (label < 0 && accepts_unlabeled) {
      ++unlabeled;
      continue;
    }
    if (label < 0) {
      throw Error(
          ExitCode::kData,
          "{}: image {} (\"{}\") has no label, but this objective needs one for each image; "
          "build the shards from a folder with one subfolder per class (docs/sharding.md), "
          "or train without classes: {}",
          path, i, data.name(i), without_classes(model));
    }
    throw Error(ExitCode::kData,
                "{}: image {} (\"{}\") has label {}, but model.labels = {} allows 0 to {}; set "
                "model.labels to the number of classes{}",
                path, i, data.name(i), label, classes, classes - 1,
                data.class_names().empty() ? "" : fmt::format(", {}", data.class_names().size()));
  }
  return unlabeled;
}

// Equal labels mean equal classes only if both data sets have the same class names.
void require_same_classes(const Dataset& a, const std::string& a_path, const Dataset& b,
                          const std::string& b_path, const std::string& way_out) {
  if (a.class_names() == b.class_names()) return;
  throw Error(ExitCode::kData, "{} and {} number their classes differently ({} and {}); {}", a_path,
              b_path, fmt::join(a.class_names(), ", "), fmt::join(b.class_names(), ", "), way_out);
}

// Error kData unless all parts have the labels that the objective needs, and the same classes.
void require_classes(const std::vector<WeightedDataset>& parts, const ModelOptions& model,
                     bool accepts_unlabeled) {
  const WeightedDataset* first = nullptr;  // that has labels
  std::uint64_t images = 0;
  std::uint64_t unlabeled = 0;
  for (const WeightedDataset& part : parts) {
    const std::uint64_t without =
        require_labels(*part.dataset, part.path, model, accepts_unlabeled);
    images += part.dataset->size();
    unlabeled += without;
    if (without == part.dataset->size()) continue;
    if (first == nullptr) first = &part;
    require_same_classes(*first->dataset, first->path, *part.dataset, part.path,
                         "join them with valley shard merge, which numbers the classes of all");
  }
  if (unlabeled == 0) return;
  if (first == nullptr)
    throw Error(ExitCode::kData,
                "{}: no image has a label, but this objective needs some; build the shards from a "
                "folder with one subfolder per class (docs/sharding.md)",
                parts.front().path);
  log::info("{} of {} images have no label and train only the generative term", unlabeled, images);
}

}  // namespace

RunData open_run_data(World& world, const Experiment& experiment) {
  return rank_zero_first(world, [&] {
    const bool is_root = world.rank() == 0;
    const DataOptions& paths = experiment.data;
    const std::int64_t classes = experiment.needed_labels();
    std::vector<WeightedDataset> parts;
    for (const WeightedText& part : parse_weighted_list(paths.path, "data.path"))
      parts.push_back({Dataset::open(part.text), part.text, part.weight});
    RunData data{mix_datasets(parts), nullptr};
    require_shape(*data.training, paths.path, experiment.model);
    if (is_root && classes > 0)
      require_classes(parts, experiment.model, experiment.accepts_unlabeled());
    if (paths.validation.empty()) return data;
    data.validation = Dataset::open(paths.validation);
    require_shape(*data.validation, paths.validation, experiment.model);
    if (is_root && classes > 0) {
      static_cast<void>(require_labels(*data.validation, paths.validation, experiment.model));
      require_same_classes(*data.training, paths.path, *data.validation, paths.validation,
                           "build both from folders with the same classes");
    }
    const std::string validation = data.validation->fingerprint();
    for (const WeightedDataset& part : parts) {
      if (!is_root || part.dataset->fingerprint() != validation) continue;
      log::warn(
          "data.validation = {} holds the training images, so overfitting cannot be seen; set it "
          "to other images",
          paths.validation);
    }
    return data;
  });
}

void require_same_data(World& world, const RunData& data) {
  world.require_equal("the data's fingerprint", data.training->fingerprint());
  if (data.validation)
    world.require_equal("the validation data's fingerprint", data.validation->fingerprint());
}

void add_class_names(const Experiment& experiment, const Dataset& dataset, TensorFile& model) {
  if (experiment.model.labels == 0) return;
  // Names may not be valid UTF-8; write_json replaces such bytes.
  model.metadata["data.class_names"] = write_json(nlohmann::json(dataset.class_names()));
}

}  // namespace valley
