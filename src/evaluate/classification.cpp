#include "evaluate/classification.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace valley {
namespace {

constexpr double kNormal = 1.959963984540054;  // 97.5th percentile of the normal distribution

std::size_t find_bin(double confidence) {
  std::size_t bin = 0;
  while (bin + 1 < kCalibrationBins &&
         confidence > static_cast<double>(bin + 1) / static_cast<double>(kCalibrationBins))
    ++bin;
  return bin;
}

// Squared distance between the probabilities and the one-hot vector of the label.
double squared_distance(std::span<const double> probabilities, std::size_t label) {
  double sum = 0;
  for (std::size_t y = 0; y < probabilities.size(); ++y) {
    const double difference = probabilities[y] - (y == label ? 1 : 0);
    sum += difference * difference;
  }
  return sum;
}

void divide_by_counts(Classification& c) {
  const auto n = static_cast<double>(c.images);
  c.accuracy = static_cast<double>(c.right) / n;
  c.interval = wilson_interval(c.right, c.images);
  c.log_loss /= n;
  c.brier /= n;
  c.mean_confidence /= n;
  for (CalibrationBin& bin : c.bins) {
    if (bin.images == 0) continue;
    const auto count = static_cast<double>(bin.images);
    bin.confidence /= count;
    bin.accuracy /= count;
    c.calibration_error += count / n * std::abs(bin.accuracy - bin.confidence);
  }
}

}  // namespace

ClassProbabilities::ClassProbabilities(std::span<const float> scores, std::size_t classes)
    : classes_(classes), scores_(scores.begin(), scores.end()), probabilities_(scores.size()) {
  VALLEY_CHECK(classes > 0 && scores.size() % classes == 0);
  for (std::size_t first = 0; first < scores.size(); first += classes) {
    const auto row = scores.subspan(first, classes);
    const auto max = std::max_element(row.begin(), row.end());
    double sum = 0;
    for (std::size_t y = 0; y < classes; ++y) {
      const double share = std::exp(static_cast<double>(row[y]) - static_cast<double>(*max));
      probabilities_[first + y] = share;
      sum += share;
    }
    for (std::size_t y = 0; y < classes; ++y) probabilities_[first + y] /= sum;
    log_sums_.push_back(static_cast<double>(*max) + std::log(sum));
    predicted_.push_back(static_cast<std::size_t>(std::distance(row.begin(), max)));
  }
}

Interval wilson_interval(std::uint64_t hits, std::uint64_t n) {
  VALLEY_CHECK(n > 0 && hits <= n);
  const auto count = static_cast<double>(n);
  const double share = static_cast<double>(hits) / count;
  const double square = kNormal * kNormal;
  const double middle = share + square / (2 * count);
  const double half =
      kNormal * std::sqrt(share * (1 - share) / count + square / (4 * count * count));
  const double scale = 1 + square / count;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

Classification classify(const ClassProbabilities& probabilities,
                        std::span<const std::int64_t> labels) {
  VALLEY_CHECK(labels.size() == probabilities.images());
  Classification c;
  c.classes = probabilities.classes();
  c.confusion.resize(c.classes * c.classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    const auto label = static_cast<std::size_t>(labels[i]);
    const std::size_t predicted = probabilities.predicted(i);
    const double confidence = probabilities.confidence(i);
    ++c.images;
    c.log_loss -= probabilities.log_probability(i, label);
    c.brier += squared_distance(probabilities.of(i), label);
    c.mean_confidence += confidence;
    ++c.confusion[label * c.classes + predicted];
    CalibrationBin& bin = c.bins[find_bin(confidence)];
    ++bin.images;
    bin.confidence += confidence;
    if (predicted != label) continue;
    ++c.right;
    bin.accuracy += 1;
  }
  VALLEY_CHECK(c.images > 0);
  divide_by_counts(c);
  return c;
}

std::vector<std::size_t> mistakes(const ClassProbabilities& probabilities,
                                  std::span<const std::int64_t> labels) {
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && static_cast<std::size_t>(labels[i]) != probabilities.predicted(i))
      wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [&](std::size_t a, std::size_t b) {
    return probabilities.confidence(a) > probabilities.confidence(b);
  });
  return wrong;
}

}  // namespace valley
