#include "data/mixture.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/weighted_list.h"

namespace valley {
namespace {

std::string shape_of(const Dataset& dataset) {
  return fmt::format("{}x{}x{}", dataset.width(), dataset.height(), dataset.channels());
}

class Mixture final : public Dataset {
 public:
  explicit Mixture(std::vector<WeightedDataset> parts) : parts_(std::move(parts)) {
    double sum = 0;
    std::vector<WeightedText> paths;
    for (const WeightedDataset& part : parts_) {
      ends_.push_back(size() + part.dataset->size());
      sum += part.weight;
      paths.push_back({part.path, part.weight});
    }
    directory_ = to_toml(paths);
    for (const WeightedDataset& part : parts_)
      fingerprint_ += fmt::format("{}{:.6g} of {}", fingerprint_.empty() ? "" : ", ",
                                  part.weight / sum, part.dataset->fingerprint());
    // Parts without class names, such as images without labels, do not count.
    std::set<std::vector<std::string>> names;
    for (const WeightedDataset& part : parts_)
      if (!part.dataset->class_names().empty()) names.insert(part.dataset->class_names());
    if (names.size() == 1) class_names_ = *names.begin();
  }

  [[nodiscard]] std::uint64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  [[nodiscard]] std::int64_t height() const override { return first().height(); }
  [[nodiscard]] std::int64_t width() const override { return first().width(); }
  [[nodiscard]] std::int64_t channels() const override { return first().channels(); }
  [[nodiscard]] std::string fingerprint() const override { return fingerprint_; }
  [[nodiscard]] const std::filesystem::path& directory() const override { return directory_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return class_names_;
  }
  // That of a part with encoded records, if there is one, so that loaders decode on many threads.
  [[nodiscard]] const RecordForm& form() const override {
    for (const WeightedDataset& part : parts_)
      if (part.dataset->is_encoded()) return part.dataset->form();
    return first().form();
  }
  void read_record(std::uint64_t index, std::string& record) const override {
    const auto [dataset, image] = locate(index);
    dataset->read_record(image, record);
  }
  [[nodiscard]] std::vector<OrderPart> order_parts() const override {
    std::vector<OrderPart> parts;
    for (const WeightedDataset& part : parts_) parts.push_back({part.dataset->size(), part.weight});
    return parts;
  }

  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const override {
    const auto [dataset, image] = locate(index);
    dataset->read(image, pixels, verify);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    const auto [dataset, image] = locate(index);
    return dataset->label(image);
  }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    const auto [dataset, image] = locate(index);
    return dataset->name(image);
  }
  [[nodiscard]] std::array<std::uint32_t, 2> orig_size(std::uint64_t index) const override {
    const auto [dataset, image] = locate(index);
    return dataset->orig_size(image);
  }
  std::uint64_t prefetch(std::span<const std::uint64_t> indices) const override {
    std::uint64_t missing = 0;
    for (const std::uint64_t index : indices) {
      const auto [dataset, image] = locate(index);
      missing += dataset->prefetch({&image, 1});
    }
    return missing;
  }

 private:
  [[nodiscard]] const Dataset& first() const { return *parts_.front().dataset; }
  [[nodiscard]] std::pair<const Dataset*, std::uint64_t> locate(std::uint64_t index) const {
    VALLEY_CHECK(index < size());
    const auto part =
        static_cast<std::size_t>(std::ranges::upper_bound(ends_, index) - ends_.begin());
    return {parts_[part].dataset.get(), index - (part == 0 ? 0 : ends_[part - 1])};
  }

  std::vector<WeightedDataset> parts_;
  std::vector<std::uint64_t> ends_;  // images up to the end of each part
  std::filesystem::path directory_;
  std::string fingerprint_;
  std::vector<std::string> class_names_;
};

}  // namespace

std::shared_ptr<const Dataset> mix_datasets(std::vector<WeightedDataset> parts) {
  VALLEY_CHECK(!parts.empty());
  const WeightedDataset& first = parts.front();
  for (const WeightedDataset& part : parts) {
    if (shape_of(*part.dataset) == shape_of(*first.dataset)) continue;
    throw Error(ExitCode::kConfig,
                "a mixture needs images of one size and the same channels, but {} holds {} and {} "
                "holds {} (width x height x channels); build one of them again with valley shard "
                "build --resolution --channels",
                first.path, shape_of(*first.dataset), part.path, shape_of(*part.dataset));
  }
  if (parts.size() == 1) return first.dataset;
  return std::make_shared<Mixture>(std::move(parts));
}

}  // namespace valley
