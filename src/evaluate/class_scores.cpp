#include "evaluate/class_scores.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "evaluate/class_map.h"
#include "inference/image_energy.h"

namespace valley {

at::Tensor class_scores(const Team& team, const std::string& task,
                        const ImageClassifier& classifier, const LabeledImages& images) {
  const SingleThreaded single_threaded;
  const auto n = static_cast<std::int64_t>(images.size());
  const Share share = team.share(count_blocks(n));
  const std::int64_t first = std::min(n, share.first * kBlockImages);
  const std::int64_t last = std::min(n, share.last * kBlockImages);
  const at::Tensor own = at::empty({last - first, classifier.classes()}, at::kFloat);
  const auto work = [&](std::int64_t block) {
    const at::NoGradGuard no_gradients;
    const std::int64_t from = block * kBlockImages;
    const at::Tensor pixels =
        images.pixels(static_cast<std::uint64_t>(from), images_in_block(n, block));
    const at::Tensor scores = classifier.scores(unit_images(pixels, classifier.device()));
    own.narrow(0, from - first, scores.size(0)).copy_(scores);
  };
  if (classifier.device().is_cuda()) {
    for_each_unit_in_order(team, task, share, work);
  } else {
    for_each_unit(team, task, share, work);
  }
  return gather_rows(team, own, kBlockImages, n);
}

void require_finite_scores(const at::Tensor& scores, const LabeledImages& images,
                           const std::string& model) {
  const at::Tensor bad = at::isfinite(scores).all(1).logical_not();
  const auto count = bad.sum().item<std::int64_t>();
  if (count == 0) return;
  const auto first = static_cast<std::uint64_t>(bad.nonzero()[0][0].item<std::int64_t>());
  throw Error(
      ExitCode::kData,
      "{} gives class scores that are not finite for {} of {} images, the first is {} (image "
      "{}); use an earlier checkpoint",
      model, count, images.size(), images.name(first), images.index(first));
}

std::vector<std::int64_t> labels_for(const LabeledImages& images,
                                     const std::vector<std::string>& model_names,
                                     std::int64_t classes, const std::string& model) {
  const std::vector<std::string>& names = images.class_names();
  const bool by_name = !names.empty() && !model_names.empty();
  const std::vector<std::int64_t> matched_classes =
      by_name ? match_classes(names, model_names, model) : std::vector<std::int64_t>();
  if (!by_name && !names.empty() && static_cast<std::int64_t>(names.size()) != classes) {
    throw Error(
        ExitCode::kData,
        "the images have {} classes ({}), but {} has {} classes without names; use images with "
        "all of its classes",
        names.size(), fmt::join(names, ", "), model, classes);
  }
  std::vector<std::int64_t> labels;
  labels.reserve(images.size());
  for (std::uint64_t i = 0; i < images.size(); ++i) {
    std::int64_t label = images.label(i);
    if (by_name && label >= 0 && label < static_cast<std::int64_t>(names.size()))
      label = matched_classes[static_cast<std::size_t>(label)];
    if (label >= classes) {
      throw Error(ExitCode::kData,
                  "{} (image {}) has the label {}, but {} has the classes 0 to {}; leave out such "
                  "images, or train with model.labels={} or more",
                  images.name(i), images.index(i), label, model, classes - 1, label + 1);
    }
    labels.push_back(std::max<std::int64_t>(label, -1));
  }
  return labels;
}

}  // namespace valley
