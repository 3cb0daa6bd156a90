#include "image/folder_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "image/codecs.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBytesPerJob = std::uint64_t{64} << 20U;

class File {
 public:
  // Do not block on a pipe, or get a controlling terminal, if the file has been replaced.
  explicit File(const fs::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

class FolderReader final : public ImageReader {
 public:
  FolderReader(const fs::path& folder, const std::vector<FolderEntry>& entries,
               const FolderOptions& options, MemoryBudget* budget)
      : folder_(folder),
        entries_(entries),
        decode_(options.decode),
        limits_(options.min_size, options.max_pixels, budget) {}

  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    const FolderEntry& entry = entries_[index];
    limits_.release();  // claims of a failed load
    if (entry.reject) return *entry.reject;
    try {
      if (std::optional<Reject> reject = read(entry)) return *std::move(reject);
      return decode_image(content_, decode_, limits_);
    } catch (const std::bad_alloc&) {
      throw Error(ExitCode::kOutOfMemory,
                  "out of memory at {}; continue with --resume and fewer --jobs, or rebuild with a "
                  "smaller --max-pixels",
                  (folder_ / entry.path).string());
    }
  }
  void done() override {
    limits_.release();
    if (content_.capacity() > kKeptBytes) content_ = {};
  }

 private:
  static constexpr std::size_t kKeptBytes = std::size_t{1} << 20U;
  [[nodiscard]] std::optional<Reject> read(const FolderEntry& entry);

  const fs::path& folder_;
  const std::vector<FolderEntry>& entries_;
  DecodeOptions decode_;
  DecodeLimits limits_;
  std::string content_;
};

std::optional<Reject> FolderReader::read(const FolderEntry& entry) {
  const Reject no_file_any_more{"changed",
                                "it is no longer a regular file since the folder was listed"};
  const fs::path path = folder_ / entry.path;
  const File file(path);
  struct stat status {};
  if (file.descriptor() < 0) {
    const int error_number = errno;
    // ENXIO if a socket or a device without a driver has replaced the file, but also from failing
    // disks.
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
      return no_file_any_more;
    return unreadable(path, error_number);
  }
  if (::fstat(file.descriptor(), &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return no_file_any_more;
  if (static_cast<std::uint64_t>(status.st_size) != entry.bytes)
    return Reject{"changed", fmt::format("{} bytes; {} when the folder was listed", status.st_size,
                                         entry.bytes)};
  if (std::optional<Reject> reject = limits_.admit_file(entry.bytes)) return reject;
  content_.resize(entry.bytes);
  for (std::size_t done = 0; done < content_.size();) {
    const ::ssize_t n = ::read(file.descriptor(), content_.data() + done, content_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return unreadable(path, errno);
    if (n == 0) return Reject{"changed", "it became shorter while it was read"};
    done += static_cast<std::size_t>(n);
  }
  return std::nullopt;
}

std::string_view name_of(LabelKind kind) {
  return kind == LabelKind::kDirs ? "dirs" : kind == LabelKind::kJson ? "json" : "none";
}

std::string describe_others(const std::map<std::string, std::uint64_t>& others) {
  std::uint64_t total = 0;
  std::vector<std::pair<std::uint64_t, std::string>> kinds;
  for (const auto& [extension, files] : others) {
    total += files;
    kinds.emplace_back(files, extension.empty() ? "no extension" : escaped_name(extension));
  }
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, kinds.size()); ++i)
    text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", kinds[i].second, kinds[i].first);
  if (kinds.size() > kShown) text += ", ...";
  return fmt::format("{} {} no image by name and passed over ({})", total,
                     total == 1 ? "file is" : "files are", text);
}

std::vector<std::string> notes_of(const FolderListing& listing) {
  std::vector<std::string> notes;
  if (!listing.others.empty()) notes.push_back(describe_others(listing.others));
  if (listing.hidden > 0)
    notes.push_back(fmt::format("{} hidden {} passed over", listing.hidden,
                                listing.hidden == 1 ? "entry is" : "entries are"));
  if (!listing.repeated_links.empty())
    notes.push_back(
        fmt::format("{} symbolic {} to a folder that is listed already, such as {}: "
                    "passed over",
                    listing.repeated_links.size(),
                    listing.repeated_links.size() == 1 ? "link leads" : "links lead",
                    escaped_name(listing.repeated_links.front())));
  return notes;
}

// A label file in the folder is not a skipped file.
void forget_label_file(FolderListing& listing, const fs::path& folder, const LabelOptions& labels) {
  std::error_code none;
  const fs::path relative = labels.kind == LabelKind::kAuto
                                ? fs::path(kDatasetFile)
                                : fs::relative(labels.file, folder, none);
  if (none || relative.empty() || *relative.begin() == "..") return;
  const auto found = listing.others.find(relative.extension().string());
  if (found != listing.others.end() && --found->second == 0) listing.others.erase(found);
}

}  // namespace

FolderSource::FolderSource(fs::path folder, FolderOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {
  FolderListing listing = list_folder(folder_);
  entries_ = std::move(listing.entries);
  std::vector<std::string> paths;
  paths.reserve(entries_.size());
  for (const FolderEntry& entry : entries_) paths.push_back(entry.path);
  labels_ = find_labels(folder_, paths, options_.labels);
  if (labels_.kind == LabelKind::kJson) forget_label_file(listing, folder_, options_.labels);
  notes_ = notes_of(listing);
  const DecodeLimits limits(options_.min_size, options_.max_pixels);
  budget_ = std::make_unique<MemoryBudget>(
      std::max(limits.max_bytes(), std::uint64_t{options_.jobs} * kBytesPerJob));
}

std::string FolderSource::identity_json() const {
  Sha256 content;
  for (std::uint64_t i = 0; i < size(); ++i)
    content.update(as_bytes(fmt::format("{}\t{}\t{}\n", entries_[i].bytes, label(i), name(i))));
  nlohmann::ordered_json decoders;
  for (const ImageCodec& codec : image_codecs()) decoders.push_back(codec.library);
  nlohmann::ordered_json identity{{"kind", "folder"},
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

std::string FolderSource::listing() const {
  std::string lines;
  for (std::uint64_t i = 0; i < size(); ++i)
    lines += fmt::format("{} bytes, modified {}, label {}\t{}\n", entries_[i].bytes,
                         entries_[i].modified_ns, label(i), name(i));
  return lines;
}

std::unique_ptr<ImageReader> FolderSource::open_reader() const {
  return std::make_unique<FolderReader>(folder_, entries_, options_, budget_.get());
}

}  // namespace valley
