#include "run/validator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/hash.h"
#include "data/order.h"
#include "kernels/device.h"

namespace valley {
namespace {

constexpr std::uint64_t kChoice = 0x76616C6964;  // hashed into the key that selects the images

double mean_of(const at::Tensor& values) { return values.mean().item<double>(); }

// Variance of the mean.
double mean_variance(const at::Tensor& values) {
  const auto n = static_cast<double>(values.numel());
  return n < 2 ? 0 : values.var(0, true).item<double>() / n;
}

}  // namespace

std::string describe(const RunValidation& found) {
  std::string text = found.stage + ":";
  const char* separator = " ";
  for (const RunValidation::Measure& m : found.measures) {
    text += fmt::format("{}{} {:.4g} ({:.4g})", separator, m.name, m.validation, m.training);
    separator = ", ";
  }
  return text + fmt::format(" of {} validation ({} training) images", found.validation_images,
                            found.training_images);
}

RunValidator::RunValidator(World& world, const Experiment& experiment, RunData data)
    : world_(world),
      data_(std::move(data)),
      seed_(experiment.seed()),
      threads_(static_cast<int>(
          experiment.train.threads.value_or(threads_for_rank(world.host().local_size())))),
      every_(experiment.evaluate.validation_every.value_or(
          experiment.epoch_steps(data_.training->size()))),
      training_images_(0),
      validation_images_(std::min(experiment.evaluate.validation_images,
                                  static_cast<std::int64_t>(data_.validation->size()))) {
  training_images_ =
      std::min(validation_images_, static_cast<std::int64_t>(data_.training->size()));
}

std::optional<RunValidation> RunValidator::validate(const Trainer& trainer) const {
  RunValidation found{trainer.stage_name(), training_images_, validation_images_, {}};
  std::vector<std::string> names;
  const at::Tensor seen = measure(trainer, *data_.training, training_images_, names);
  if (names.empty()) return std::nullopt;
  const at::Tensor unseen = measure(trainer, *data_.validation, validation_images_, names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const at::Tensor a = seen.select(1, static_cast<std::int64_t>(i));
    const at::Tensor b = unseen.select(1, static_cast<std::int64_t>(i));
    RunValidation::Measure m{names[i], mean_of(a), mean_of(b), 0, 0};
    m.gap = m.validation - m.training;
    m.gap_error = std::sqrt(mean_variance(a) + mean_variance(b));
    found.measures.push_back(std::move(m));
  }
  return found;
}

at::Tensor RunValidator::measure(const Trainer& trainer, const Dataset& data, std::int64_t images,
                                 std::vector<std::string>& names) const {
  const Team team{&world_.host(), threads_, {}};
  const SingleThreaded single;
  const Share share = team.share(count_blocks(images));
  std::vector<at::Tensor> parts(static_cast<std::size_t>(share.count()));
  const auto rows_of = [&](std::int64_t block) -> at::Tensor {
    std::vector<at::Tensor> columns;
    for (const auto& [name, values] : measure_block(trainer, data, images, block))
      columns.push_back(values.to(at::kCPU, at::kDouble));
    return columns.empty() ? at::Tensor() : at::stack(columns, 1);
  };
  // A rank without blocks of its own needs the names too.
  names.clear();
  for (const auto& [name, values] : measure_block(trainer, data, images, 0)) names.push_back(name);
  if (names.empty()) return {};
  const auto work = [&](std::int64_t block) {
    parts[static_cast<std::size_t>(block - share.first)] = rows_of(block);
  };
  if (world_.device().device().is_cuda()) {
    for_each_unit_in_order(team, "validation", share, work);
  } else {
    for_each_unit(team, "validation", share, work);
  }
  const at::Tensor own = parts.empty()
                             ? at::empty({0, static_cast<std::int64_t>(names.size())}, at::kDouble)
                             : at::cat(parts).contiguous();
  return gather_rows(team, own, kBlockImages, images);
}

ImageMeasures RunValidator::measure_block(const Trainer& trainer, const Dataset& data,
                                          std::int64_t images, std::int64_t block) const {
  const FeistelPermutation chosen(data.size(), hash64(seed_, data.size(), kChoice));
  const std::int64_t n = images_in_block(images, block);
  const at::Tensor pixels = at::empty({n, data.height(), data.width(), data.channels()}, at::kByte);
  const at::Tensor labels = at::empty({n}, at::kLong);
  const std::span<std::uint8_t> bytes(pixels.mutable_data_ptr<std::uint8_t>(),
                                      static_cast<std::size_t>(pixels.numel()));
  const std::int64_t first = block * kBlockImages;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint64_t index = chosen(static_cast<std::uint64_t>(first + i));
    data.read(index,
              bytes.subspan(static_cast<std::size_t>(i) * data.image_bytes(), data.image_bytes()),
              true);
    labels.mutable_data_ptr<std::int64_t>()[i] = data.label(index);
  }
  return trainer.measure(pixels, labels, first);
}

}  // namespace valley
