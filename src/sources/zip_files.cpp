#include "sources/zip_files.h"

#include <utility>

#include "core/error.h"
#include "core/read_file.h"
#include "sources/labels.h"
#include "sources/zip_file.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

class ZipReader final : public FileReader {
 public:
  ZipReader(const fs::path& file, const std::vector<FileEntry>& entries,
            const std::vector<std::uint64_t>& places)
      : zip_(file), entries_(entries), places_(places) {}
  [[nodiscard]] std::optional<Reject> read(std::uint64_t index, std::string& content) override {
    return zip_.read(places_[index], entries_[index].bytes, content);
  }

 private:
  ZipFile zip_;
  const std::vector<FileEntry>& entries_;
  const std::vector<std::uint64_t>& places_;
};

}  // namespace

ZipFiles::ZipFiles(fs::path file) : file_(std::move(file)) {
  const ZipFile zip(file_);
  for (std::uint64_t i = 0; i < zip.size(); ++i) {
    ZipMember member = zip.member(i);
    const std::string path = clean_path(member.path);
    if (path.ends_with('/')) continue;
    if (is_hidden(path)) {
      ++skipped_.hidden;
    } else if (has_image_extension(path)) {
      std::optional<Reject> reject = reject_unsafe(path);
      if (!reject) reject = std::move(member.reject);
      places_.push_back(i);
      entries_.push_back({path, member.bytes, member.modified_ns, std::move(reject)});
    } else if (path == kDatasetFile && !member.reject && member.bytes <= kMaxTextBytes) {
      std::string text;
      if (const auto reject = zip.read(i, member.bytes, text))
        throw Error(ExitCode::kData, "{}: {}: {} ({})", file_.string(), kDatasetFile,
                    reject->reason, reject->detail);
      dataset_file_ = std::move(text);
    } else {
      ++skipped_.others[extension_of(path)];
    }
  }
  const std::vector<std::size_t> order = sort_entries(entries_);
  std::vector<std::uint64_t> places;
  places.reserve(order.size());
  for (const std::size_t i : order) places.push_back(places_[i]);
  places_ = std::move(places);
}

std::unique_ptr<FileReader> ZipFiles::open_reader() const {
  return std::make_unique<ZipReader>(file_, entries_, places_);
}

std::string ZipFiles::place_of(std::string_view path) const {
  return fmt::format("{}: {}", file_.string(), path);
}

bool is_zip(std::string_view begin) {
  return begin.starts_with("PK\x03\x04") || begin.starts_with("PK\x05\x06");
}

}  // namespace valley
