#include "tools/dedupe.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "image/fit.h"
#include "image/resample.h"
#include "tools/aligned_difference.h"
#include "tools/hash_search.h"
#include "tools/parallel_images.h"
#include "tools/perceptual_hash.h"

namespace valley {
namespace {

using Clock = std::chrono::steady_clock;
using Pair = std::pair<std::uint32_t, std::uint32_t>;

// Images of all data sets, numbered one after the other.
class AllImages {
 public:
  explicit AllImages(const std::vector<std::shared_ptr<const Dataset>>& datasets)
      : datasets_(datasets) {
    constexpr std::int64_t kMinSide = 8;
    constexpr std::int64_t kMaxSide = 64;
    std::int64_t smallest = kMaxSide;
    for (const auto& dataset : datasets) {
      ends_.push_back((ends_.empty() ? 0 : ends_.back()) + dataset->size());
      smallest = std::min({smallest, dataset->height(), dataset->width()});
    }
    if (ends_.back() > UINT32_MAX)
      throw Error(ExitCode::kUsage, "{} images are too many to compare at once (limit {})",
                  ends_.back(), UINT32_MAX);
    side_ = std::max(smallest, kMinSide);
  }

  [[nodiscard]] std::uint64_t size() const { return ends_.back(); }
  [[nodiscard]] ImagePlace place(std::uint64_t image) const {
    const auto found = std::ranges::upper_bound(ends_, image);
    const auto dataset = static_cast<std::size_t>(found - ends_.begin());
    return {dataset, image - (dataset == 0 ? 0 : ends_[dataset - 1])};
  }
  // In its own size and channels.
  [[nodiscard]] Image load(std::uint64_t image) const {
    const ImagePlace at = place(image);
    const Dataset& dataset = *datasets_[at.dataset];
    Image loaded(dataset.height(), dataset.width(), dataset.channels());
    dataset.read(at.index, loaded.pixels, true);
    return loaded;
  }
  // In color and in the size in which images are compared.
  [[nodiscard]] Image reduced(Image image) const {
    image = with_channels(std::move(image), 3);
    return image.height == side_ && image.width == side_
               ? image
               : resample(image, side_, side_, Filter::kBilinear);
  }

 private:
  const std::vector<std::shared_ptr<const Dataset>>& datasets_;
  std::vector<std::uint64_t> ends_;
  std::int64_t side_ = 0;
};

// Identity of the pixels and their shape: 16 bytes of a SHA-256.
std::array<std::uint64_t, 2> digest_of(const Image& image) {
  Sha256 sha;
  sha.update(as_bytes(fmt::format("{} {} {}\n", image.height, image.width, image.channels)));
  sha.update(std::as_bytes(std::span(image.pixels)));
  const std::string hex = sha.hex();
  return {std::stoull(hex.substr(0, 16), nullptr, 16),
          std::stoull(hex.substr(16, 16), nullptr, 16)};
}

struct DigestHash {
  std::size_t operator()(const std::array<std::uint64_t, 2>& digest) const { return digest[0]; }
};

class CopySearch {
 public:
  CopySearch(const std::vector<std::shared_ptr<const Dataset>>& datasets,
             const DedupeOptions& options)
      : images_(datasets), options_(options) {}

  DedupeReport run();

 private:
  void hash_images();
  void find_exact();
  [[nodiscard]] std::vector<double> distances_of(std::span<const Pair> pairs) const;
  void find_near(const std::vector<Pair>& pairs);
  [[nodiscard]] std::vector<CopyGroup> groups() const;
  void show(std::string_view phase, std::uint64_t done, std::uint64_t all) {
    constexpr std::uint64_t kBetween = 64;
    if (!options_.progress || done % kBetween != 0) return;
    const std::lock_guard lock(mutex_);
    options_.progress(phase, static_cast<double>(done) / static_cast<double>(all));
  }

  AllImages images_;
  const DedupeOptions& options_;
  std::mutex mutex_;
  std::vector<std::array<std::uint64_t, 2>> digests_;
  std::vector<PerceptualHash> hashes_;   // of all images, then of the distinct ones
  std::vector<std::uint32_t> distinct_;  // images without exact copies before them
  std::vector<std::uint32_t> kept_;      // for each image; itself if it is not a copy
  std::vector<double> distance_;         // of each image to its kept image
  std::vector<bool> is_exact_;
};

void CopySearch::hash_images() {
  digests_.resize(images_.size());
  hashes_.resize(options_.exact_only ? 0 : images_.size());
  std::atomic<std::uint64_t> done = 0;
  for_each_image(options_.jobs, images_.size(), [&](std::uint64_t i) {
    Image image = images_.load(i);
    digests_[i] = digest_of(image);
    if (!options_.exact_only) hashes_[i] = perceptual_hash(images_.reduced(std::move(image)));
    show("reading", ++done, images_.size());
  });
}

void CopySearch::find_exact() {
  std::unordered_map<std::array<std::uint64_t, 2>, std::uint32_t, DigestHash> first;
  kept_.resize(images_.size());
  distance_.assign(images_.size(), 0);
  is_exact_.assign(images_.size(), false);
  for (std::uint32_t i = 0; i < images_.size(); ++i) {
    const auto [found, is_new] = first.emplace(digests_[i], i);
    kept_[i] = found->second;
    is_exact_[i] = !is_new;
    if (is_new) distinct_.push_back(i);
  }
}

// Distances of some pairs of positions in distinct_, sorted by the first.
std::vector<double> CopySearch::distances_of(std::span<const Pair> pairs) const {
  std::vector<std::size_t> starts;  // of pairs with the same first image
  for (std::size_t p = 0; p < pairs.size(); ++p)
    if (p == 0 || pairs[p].first != pairs[p - 1].first) starts.push_back(p);
  std::vector<double> distances(pairs.size());
  for_each_image(options_.jobs, starts.size(), [&](std::uint64_t s) {
    const std::size_t end = s + 1 == starts.size() ? pairs.size() : starts[s + 1];
    const auto prepared = [this](std::uint32_t image) {
      return prepare_image(images_.reduced(images_.load(image)));
    };
    const PreparedImage a = prepared(distinct_[pairs[starts[s]].first]);
    for (std::size_t p = starts[s]; p < end; ++p)
      distances[p] = aligned_difference(a, prepared(distinct_[pairs[p].second]));
  });
  return distances;
}

// Each image becomes a copy of the first kept image that is near. Images that are copies already
// are not compared again, so that many images of one kind take linear time.
void CopySearch::find_near(const std::vector<Pair>& pairs) {
  constexpr std::size_t kAtOnce = 4096;
  const auto is_kept = [this](std::uint32_t position) {
    return kept_[distinct_[position]] == distinct_[position];
  };
  for (std::size_t next = 0; next < pairs.size();) {
    std::vector<Pair> some;
    for (; next < pairs.size() && some.size() < kAtOnce; ++next)
      if (is_kept(pairs[next].first) && is_kept(pairs[next].second)) some.push_back(pairs[next]);
    const std::vector<double> distances = distances_of(some);
    for (std::size_t p = 0; p < some.size(); ++p) {
      const auto [first, second] = some[p];
      if (distances[p] > options_.max_distance || !is_kept(first) || !is_kept(second)) continue;
      kept_[distinct_[second]] = distinct_[first];
      distance_[distinct_[second]] = distances[p];
    }
    if (options_.progress)
      options_.progress("comparing", static_cast<double>(next) / static_cast<double>(pairs.size()));
  }
  for (std::uint32_t i = 0; i < images_.size(); ++i) {
    const std::uint32_t first = kept_[i];
    if (!is_exact_[i] || kept_[first] == first) continue;
    kept_[i] = kept_[first];
    distance_[i] = distance_[first];
    is_exact_[i] = false;
  }
}

std::vector<CopyGroup> CopySearch::groups() const {
  std::vector<std::vector<ImageCopy>> copies(images_.size());
  for (std::uint32_t i = 0; i < images_.size(); ++i)
    if (kept_[i] != i) copies[kept_[i]].push_back({images_.place(i), is_exact_[i], distance_[i]});
  std::vector<CopyGroup> groups;
  for (std::uint32_t i = 0; i < images_.size(); ++i)
    if (!copies[i].empty()) groups.push_back({images_.place(i), std::move(copies[i])});
  return groups;
}

DedupeReport CopySearch::run() {
  const Clock::time_point began = Clock::now();
  DedupeReport report;
  report.images = images_.size();
  hash_images();
  find_exact();
  if (!options_.exact_only) {
    for (std::size_t k = 0; k < distinct_.size(); ++k) hashes_[k] = hashes_[distinct_[k]];
    hashes_.resize(distinct_.size());
    const std::vector<Pair> pairs = similar_pairs(hashes_, SearchLimits{}, options_.jobs);
    report.candidates = pairs.size();
    find_near(pairs);
  }
  report.groups = groups();
  for (const CopyGroup& group : report.groups)
    for (const ImageCopy& copy : group.copies) {
      ++(copy.is_exact ? report.exact : report.near);
      if (copy.place.dataset != group.kept.dataset) ++report.leaks;
    }
  report.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return report;
}

}  // namespace

DedupeReport find_copies(const std::vector<std::shared_ptr<const Dataset>>& datasets,
                         const DedupeOptions& options) {
  VALLEY_CHECK(!datasets.empty());
  return CopySearch(datasets, options).run();
}

}  // namespace valley
