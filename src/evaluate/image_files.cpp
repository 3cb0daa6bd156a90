#include "evaluate/image_files.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "core/error.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/read_file.h"
#include "core/text.h"
#include "image/decode.h"
#include "image/fit.h"
#include "sources/folder_files.h"
#include "sources/labels.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPixels = 64'000'000;  // the default of `valley shard build`

struct File {
  fs::path path;
  std::string name;
  std::uint64_t bytes = 0;
  std::int64_t label = -1;
  std::optional<Reject> reject{};
};

class ImageFiles final : public LabeledImages {
 public:
  ImageFiles(std::vector<File> files, std::vector<std::string> class_names, const ImageShape& shape)
      : files_(std::move(files)),
        class_names_(std::move(class_names)),
        shape_(shape),
        budget_(std::make_unique<MemoryBudget>(DecodeLimits(1, kMaxPixels).max_bytes())) {}

  [[nodiscard]] std::uint64_t size() const override { return files_.size(); }
  [[nodiscard]] const ImageShape& shape() const override { return shape_; }
  [[nodiscard]] std::string name(std::uint64_t i) const override { return files_.at(i).name; }
  [[nodiscard]] std::int64_t label(std::uint64_t i) const override { return files_.at(i).label; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return class_names_;
  }
  [[nodiscard]] std::string fingerprint() const override;
  void read(std::uint64_t i, std::span<std::uint8_t> pixels) const override;

 private:
  [[nodiscard]] std::variant<Image, Reject> load(const File& file) const;

  std::vector<File> files_;
  std::vector<std::string> class_names_;
  ImageShape shape_;
  std::unique_ptr<MemoryBudget> budget_;  // shared by the threads that decode
};

std::string ImageFiles::fingerprint() const {
  Sha256 hash;
  for (const File& file : files_)
    hash.update(as_bytes(fmt::format("{}\t{}\t{}\n", file.bytes, file.label, file.name)));
  return hash.hex();
}

std::variant<Image, Reject> ImageFiles::load(const File& file) const {
  if (file.reject) return *file.reject;
  DecodeLimits limits(1, kMaxPixels, budget_.get());
  if (std::optional<Reject> reject = limits.admit_file(file.bytes)) return *std::move(reject);
  return decode_image(read_file(file.path), {}, limits);
}

void ImageFiles::read(std::uint64_t i, std::span<std::uint8_t> pixels) const {
  const File& file = files_.at(i);
  std::variant<Image, Reject> loaded = load(file);
  if (const auto* reject = std::get_if<Reject>(&loaded)) {
    throw Error(ExitCode::kData, "{}: {}{}{}; remove the file, since images cannot be skipped here",
                file.path.string(), reject->reason, reject->detail.empty() ? "" : ": ",
                reject->detail);
  }
  Target target;
  target.height = shape_.height;
  target.width = shape_.width;
  target.channels = shape_.channels;
  const Image fitted = fit(std::get<Image>(std::move(loaded)), target);
  VALLEY_CHECK(fitted.pixels.size() == pixels.size());
  std::copy(fitted.pixels.begin(), fitted.pixels.end(), pixels.begin());
}

}  // namespace

std::unique_ptr<LabeledImages> open_image_folder(const fs::path& folder, bool full_names,
                                                 const ImageShape& shape) {
  const FolderFiles listed(folder);
  if (listed.entries().empty())
    throw Error(ExitCode::kData,
                "{} holds neither shards nor a file whose name ends in .png, .jpg, .jpeg, .jpe or "
                ".webp",
                folder.string());
  const Labels labels = find_labels(listed, {});
  if (!labels.warning.empty()) log::warn("{}: {}", folder.string(), labels.warning);
  std::vector<File> files;
  files.reserve(listed.entries().size());
  for (std::size_t i = 0; i < listed.entries().size(); ++i) {
    const FileEntry& entry = listed.entries()[i];
    const fs::path path = folder / entry.path;
    files.push_back({path, escaped_name(full_names ? path.string() : entry.path), entry.bytes,
                     labels.of[i], entry.reject});
  }
  return std::make_unique<ImageFiles>(std::move(files), labels.class_names, shape);
}

std::unique_ptr<LabeledImages> open_image_files(const std::vector<std::string>& paths,
                                                const ImageShape& shape) {
  std::vector<File> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) {
    std::error_code error;
    const bool is_file = type_of_file(path) == fs::file_type::regular;
    const std::uint64_t bytes = is_file ? fs::file_size(path, error) : 0;
    if (error) throw file_error("looking at", path, error.value(), false);
    if (!is_file)
      throw Error(
          ExitCode::kMissingInput,
          "{}: it is neither a folder of shards or images nor an image file; name one of these{}",
          path, tilde_hint(path));
    files.push_back({path, escaped_name(path), bytes, -1, std::nullopt});
  }
  return std::make_unique<ImageFiles>(std::move(files), std::vector<std::string>{}, shape);
}

}  // namespace valley
