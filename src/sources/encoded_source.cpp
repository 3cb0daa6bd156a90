#include "sources/encoded_source.h"

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "image/codecs.h"

namespace valley {
namespace {

constexpr std::uint64_t kBytesPerJob = std::uint64_t{64} << 20U;

class EncodedReader final : public ImageReader {
 public:
  // `order`: the file of each image; empty: files and images have the same index.
  EncodedReader(const FileCollection& files, const std::vector<std::uint64_t>& order,
                const EncodedOptions& options, MemoryBudget* budget)
      : files_(files),
        order_(order),
        reader_(files.open_reader()),
        decode_(options.decode),
        limits_(options.min_size, options.max_pixels, budget) {}

  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t image) override {
    const std::uint64_t index = order_.empty() ? image : order_[image];
    const FileEntry& entry = files_.entries()[index];
    limits_.release();  // claims of a failed load
    if (entry.reject) return *entry.reject;
    try {
      if (std::optional<Reject> reject = limits_.admit_file(entry.bytes)) return *reject;
      if (std::optional<Reject> reject = reader_->read(index, content_)) return *std::move(reject);
      return decode_image(content_, decode_, limits_);
    } catch (const std::bad_alloc&) {
      throw Error(ExitCode::kOutOfMemory,
                  "out of memory at {}; continue with --resume and fewer --jobs, or rebuild with a "
                  "smaller --max-pixels",
                  files_.place_of(entry.path));
    }
  }
  [[nodiscard]] std::string_view encoded() const override { return content_; }
  void done() override {
    limits_.release();
    if (content_.capacity() > kKeptBytes) content_ = {};
  }

 private:
  static constexpr std::size_t kKeptBytes = std::size_t{1} << 20U;

  const FileCollection& files_;
  const std::vector<std::uint64_t>& order_;
  std::unique_ptr<FileReader> reader_;
  DecodeOptions decode_;
  DecodeLimits limits_;
  std::string content_;
};

std::string_view name_of(LabelKind kind) {
  switch (kind) {
    case LabelKind::kDirs:
      return "dirs";
    case LabelKind::kJson:
      return "json";
    case LabelKind::kOwn:
      return "own";
    default:
      return "none";
  }
}

}  // namespace

EncodedSource::EncodedSource(std::unique_ptr<FileCollection> files, EncodedOptions options)
    : files_(std::move(files)),
      options_(std::move(options)),
      labels_(find_labels(*files_, options_.labels)) {
  const DecodeLimits limits(options_.min_size, options_.max_pixels);
  budget_ = std::make_unique<MemoryBudget>(
      std::max(limits.max_bytes(), std::uint64_t{options_.jobs} * kBytesPerJob));
}

std::string EncodedSource::name(std::uint64_t index) const {
  const std::uint64_t file = file_at(index);
  if (!labels_.names.empty()) return labels_.names[file];
  if (!files_->own_names().empty()) return files_->own_names()[file];
  return escaped_name(files_->entries()[file].path);
}

void EncodedSource::expect_order(const ReadingOrder& order) const {
  files_->expect_order(
      {[this, at = order.at](std::uint64_t position) { return file_at(at(position)); }, order.first,
       order.end});
}

std::string EncodedSource::identity_json() const {
  Sha256 content;
  for (std::uint64_t i = 0; i < size(); ++i)
    content.update(as_bytes(
        fmt::format("{}\t{}\t{}\n", files_->entries()[file_at(i)].bytes, label(i), name(i))));
  nlohmann::ordered_json decoders;
  for (const ImageCodec& codec : image_codecs()) decoders.push_back(codec.library);
  nlohmann::ordered_json identity{{"kind", files_->kind()},
                                  {"files", size()},
                                  {"sha256_of_list", content.hex()},
                                  {"labels", name_of(labels_.kind)},
                                  {"exif", options_.decode.apply_exif ? "apply" : "ignore"},
                                  {"min_size", options_.min_size},
                                  {"max_pixels", options_.max_pixels},
                                  {"decoders", decoders}};
  if (options_.decode.alpha == Alpha::kError) identity["alpha"] = "error";
  return write_json(identity);
}

std::string EncodedSource::listing() const {
  std::string lines;
  for (std::uint64_t i = 0; i < size(); ++i) {
    const FileEntry& entry = files_->entries()[file_at(i)];
    lines += fmt::format("{} bytes, modified {}, label {}\t{}\n", entry.bytes, entry.modified_ns,
                         label(i), name(i));
  }
  return lines;
}

std::unique_ptr<ImageReader> EncodedSource::open_reader() const {
  return std::make_unique<EncodedReader>(*files_, labels_.order, options_, budget_.get());
}

}  // namespace valley
