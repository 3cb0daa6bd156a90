#include "sources/dataset_images.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/text.h"
#include "data/storage.h"
#include "image/decode.h"

namespace valley {
namespace {

class DatasetReader final : public ImageReader {
 public:
  DatasetReader(const Dataset& dataset, const std::vector<std::uint64_t>& indices)
      : dataset_(dataset), indices_(indices) {}
  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    Image image(dataset_.height(), dataset_.width(), dataset_.channels());
    dataset_.read(indices_[index], image.pixels, true);
    return image;
  }

 private:
  const Dataset& dataset_;
  const std::vector<std::uint64_t>& indices_;
};

// Reads encoded records and decodes them without fitting.
class RecordReader final : public ImageReader {
 public:
  RecordReader(const Dataset& dataset, const std::vector<std::uint64_t>& indices)
      : dataset_(dataset), indices_(indices), limits_(1, dataset.form().files.max_pixels) {}
  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    dataset_.read_record(indices_[index], record_);
    limits_.release();
    return decode_image(record_, dataset_.form().files.options, limits_);
  }
  [[nodiscard]] std::string_view encoded() const override { return record_; }

 private:
  const Dataset& dataset_;
  const std::vector<std::uint64_t>& indices_;
  DecodeLimits limits_;
  std::string record_;
};

std::int64_t class_number(const Dataset& dataset, const std::string& text) {
  const std::vector<std::string>& names = dataset.class_names();
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return found - names.begin();
  std::int64_t number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status == std::errc() && end == text.data() + text.size() && number >= 0) return number;
  constexpr std::size_t kShown = 20;
  throw Error(ExitCode::kUsage, "{} has no class \"{}\"; its classes are {}",
              dataset.directory().string(), text,
              names.empty() ? "numbers" : join_up_to(kShown, names));
}

// Orders the images of a data set at random, by seed and name.
std::uint64_t key_of(const Dataset& dataset, std::uint64_t index, std::uint64_t seed) {
  return hash64(seed, hash64(dataset.name(index)), 0);
}

void sort_by_key(const Dataset& dataset, std::vector<std::uint64_t>& indices, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> keyed;
  keyed.reserve(indices.size());
  for (const std::uint64_t index : indices) keyed.emplace_back(key_of(dataset, index, seed), index);
  std::ranges::sort(keyed);
  for (std::size_t i = 0; i < keyed.size(); ++i) indices[i] = keyed[i].second;
}

void keep(const Dataset& dataset, std::vector<std::uint64_t>& indices, std::uint64_t wanted) {
  if (wanted > indices.size())
    throw Error(ExitCode::kUsage, "{} images are wanted, but only {} of {} are left", wanted,
                indices.size(), dataset.directory().string());
  indices.resize(wanted);
}

// Whole numbers that add up to `count`, in proportion to the shares; what remains goes to the
// largest remainders.
std::vector<std::uint64_t> counts_of(std::uint64_t count, const std::vector<double>& shares) {
  std::vector<std::uint64_t> counts;
  std::vector<std::pair<double, std::size_t>> remainders;
  std::uint64_t taken = 0;
  for (std::size_t part = 0; part < shares.size(); ++part) {
    const double exact = shares[part] * static_cast<double>(count);
    counts.push_back(static_cast<std::uint64_t>(exact));
    remainders.emplace_back(exact - static_cast<double>(counts.back()), part);
    taken += counts.back();
  }
  std::ranges::stable_sort(remainders, std::ranges::greater{},
                           [](const auto& remainder) { return remainder.first; });
  for (std::size_t i = 0; taken < count; ++i, ++taken)
    ++counts[remainders[i % remainders.size()].second];
  return counts;
}

}  // namespace

DatasetImages::DatasetImages(std::shared_ptr<const Dataset> dataset,
                             std::optional<std::vector<std::uint64_t>> indices, bool copies_records)
    : dataset_(std::move(dataset)), copies_records_(copies_records) {
  if (indices) {
    indices_ = *std::move(indices);
    return;
  }
  indices_.resize(dataset_->size());
  std::iota(indices_.begin(), indices_.end(), std::uint64_t{0});
}

std::string DatasetImages::identity_json() const {
  Sha256 chosen;
  for (const std::uint64_t index : indices_) chosen.update(as_bytes(fmt::format("{}\n", index)));
  return write_json(nlohmann::ordered_json{{"kind", "dataset"},
                                           {"fingerprint", dataset_->fingerprint()},
                                           {"images", size()},
                                           {"sha256_of_indices", chosen.hex()}});
}

std::optional<FileDecoding> DatasetImages::decoding() const {
  if (!copies_records_) return std::nullopt;
  return dataset_->form().files;
}

std::unique_ptr<ImageReader> DatasetImages::open_reader() const {
  if (copies_records_) return std::make_unique<RecordReader>(*dataset_, indices_);
  return std::make_unique<DatasetReader>(*dataset_, indices_);
}

std::vector<std::uint64_t> choose_images(const Dataset& dataset, const ImageChoice& choice) {
  std::set<std::int64_t> classes;
  for (const std::string& name : choice.classes) classes.insert(class_number(dataset, name));
  std::unordered_set<std::string> names(choice.names.begin(), choice.names.end());
  std::vector<std::uint64_t> indices;
  for (std::uint64_t i = 0; i < dataset.size(); ++i) {
    if (!classes.empty() && !classes.contains(dataset.label(i))) continue;
    if (!choice.names.empty() && names.erase(dataset.name(i)) == 0) continue;
    indices.push_back(i);
  }
  if (!names.empty())
    throw Error(
        ExitCode::kUsage, "{} has no image \"{}\"{}", dataset.directory().string(), *names.begin(),
        names.size() == 1 ? "" : fmt::format(", and {} more are missing", names.size() - 1));
  if (choice.random) {
    sort_by_key(dataset, indices, choice.seed);
    keep(dataset, indices, *choice.random);
    std::ranges::sort(indices);
  }
  if (choice.first) keep(dataset, indices, *choice.first);
  return indices;
}

std::vector<std::vector<std::uint64_t>> split_images(const Dataset& dataset,
                                                     const std::vector<double>& shares,
                                                     std::uint64_t seed) {
  std::map<std::int64_t, std::vector<std::uint64_t>> by_class;
  for (std::uint64_t i = 0; i < dataset.size(); ++i) by_class[dataset.label(i)].push_back(i);
  std::vector<std::vector<std::uint64_t>> parts(shares.size());
  for (auto& [label, indices] : by_class) {
    sort_by_key(dataset, indices, seed);
    const std::vector<std::uint64_t> counts = counts_of(indices.size(), shares);
    auto next = indices.begin();
    for (std::size_t part = 0; part < parts.size(); ++part) {
      const auto end = next + static_cast<std::ptrdiff_t>(counts[part]);
      parts[part].insert(parts[part].end(), next, end);
      next = end;
    }
  }
  for (std::vector<std::uint64_t>& part : parts) std::ranges::sort(part);
  return parts;
}

}  // namespace valley
