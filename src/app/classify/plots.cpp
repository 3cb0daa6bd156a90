#include "app/classify/plots.h"

#include <fmt/core.h>

#include <algorithm>

#include "record/captioned_images.h"
#include "record/confusion_picture.h"
#include "record/reliability_picture.h"

namespace valley::app {
namespace {

constexpr std::int64_t kWorstColumns = 10;

}  // namespace

void draw_confusion(const std::string& path, const ClassifyReport& report) {
  write_confusion(path, report.captions, report.result->confusion);
}

void draw_reliability(const std::string& path, const ClassifyReport& report) {
  std::vector<ReliabilityBin> bins;
  for (const CalibrationBin& bin : report.result->bins)
    bins.push_back({static_cast<double>(bin.images), bin.confidence, bin.accuracy});
  write_reliability(path, bins,
                    fmt::format("{} images, ECE {:.4f}", report.result->images,
                                report.result->calibration_error));
}

void draw_mistakes(const std::string& path, const ClassifyReport& report, std::int64_t max_count) {
  const ClassProbabilities& p = *report.probabilities;
  const std::vector<std::size_t> wrong = mistakes(p, report.labels);
  const std::size_t count = std::min(static_cast<std::size_t>(max_count), wrong.size());
  CaptionedBlock block{
      fmt::format("{} of {} mistakes among {} images", count, wrong.size(), report.result->images),
      {}};
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = wrong[k];
    const at::Tensor pixels = report.images->pixels(i, 1);
    const auto* bytes = pixels.const_data_ptr<std::uint8_t>();
    block.images.push_back(
        {{bytes, bytes + pixels.numel()},
         {fmt::format("{}: {:.3f}", report.captions[p.predicted(i)], p.confidence(i)),
          fmt::format("is {}", report.captions[static_cast<std::size_t>(report.labels[i])]),
          fmt::format("#{}", report.images->index(i))}});
  }
  const ImageShape& shape = report.images->shape();
  write_captioned(path, {block}, shape.height, shape.width, shape.channels, kWorstColumns);
}

}  // namespace valley::app
