#include "sources/tar_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "core/numbers.h"
#include "core/read_file.h"
#include "core/text.h"
#include "sources/archive_stream.h"
#include "sources/labels.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxLabelBytes = std::uint64_t{64} << 10U;

std::optional<std::int64_t> whole_number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  return parse_number<std::int64_t>(text);
}

// Rank of the files of a sample that may hold its class, the best one last; 0 for others.
int label_rank(std::string_view extension) {
  constexpr std::array<std::string_view, 3> kLabelExtensions{".json", ".txt", ".cls"};
  const auto* const found = std::ranges::find(kLabelExtensions, extension);
  return found == kLabelExtensions.end() ? 0
                                         : static_cast<int>(found - kLabelExtensions.begin()) + 1;
}

// The class in a sample's .cls, .txt or .json: a number, or an object with one as "label", "cls" or
// "class".
std::optional<std::int64_t> class_in(const std::string& text, bool is_json) {
  if (!is_json) return whole_number(text);
  const nlohmann::json root = try_parse_json(text);
  if (root.is_number_integer()) return root.get<std::int64_t>();
  if (!root.is_object()) return std::nullopt;
  for (const char* key : {"label", "cls", "class"})
    if (root.contains(key) && root[key].is_number_integer()) return root[key].get<std::int64_t>();
  return std::nullopt;
}

// The "name" in a sample's .json; "" for texts that are not a name.
std::string name_in(const std::string& text) {
  const nlohmann::json root = try_parse_json(text);
  if (!root.is_object() || !root.contains("name") || !root["name"].is_string()) return {};
  std::string name = root["name"].get<std::string>();
  return is_image_name(name) ? name : std::string();
}

// One pass over the images of several archives, in the order in which they were listed.
class ImageStream final : public MemberStream {
 public:
  explicit ImageStream(const std::vector<fs::path>& archives) : archives_(archives) {}

  [[nodiscard]] bool next() override {
    while (true) {
      if (!stream_) {
        if (next_ == archives_.size()) return false;
        stream_ = std::make_unique<ArchiveStream>(archives_[next_++]);
      }
      const std::optional<ArchiveMember> member = stream_->next();
      if (!member) {
        stream_.reset();
      } else if (is_image(*member)) {
        return true;
      }
    }
  }
  [[nodiscard]] std::optional<Reject> read(std::string& content) override {
    return stream_->read(content);
  }

  // Members that are listed, whether or not they can be used.
  static bool is_image(const ArchiveMember& member) {
    const std::string path = clean_path(member.path);
    return !member.is_folder && !is_hidden(path) && has_image_extension(path);
  }

 private:
  const std::vector<fs::path>& archives_;
  std::size_t next_ = 0;
  std::unique_ptr<ArchiveStream> stream_;
};

}  // namespace

class TarFiles::Listing {
 public:
  explicit Listing(TarFiles& files) : files_(files) {}

  // True if the archive is compressed.
  bool add(std::size_t archive) {
    ArchiveStream stream(files_.archives_[archive]);
    while (const std::optional<ArchiveMember> member = stream.next())
      look_at(archive, *member, stream);
    return stream.is_compressed();
  }
  void finish();

 private:
  void look_at(std::size_t archive, const ArchiveMember& member, ArchiveStream& stream);
  void read_label(const std::string& path, ArchiveStream& stream);
  void read_class_names(ArchiveStream& stream);
  void set_names();

  struct SampleClass {
    int rank = 0;
    std::int64_t label = -1;
  };
  TarFiles& files_;
  bool is_export_ = false;
  std::unordered_map<std::string, SampleClass> classes_;  // by the key of the sample
  std::unordered_map<std::string, std::string> names_;    // of an export
};

void TarFiles::Listing::look_at(std::size_t archive, const ArchiveMember& member,
                                ArchiveStream& stream) {
  const std::string path = clean_path(member.path);
  if (member.is_folder) return;
  if (is_hidden(path)) {
    ++files_.skipped_.hidden;
  } else if (ImageStream::is_image(member)) {
    std::optional<Reject> reject = reject_unsafe(path);
    if (!reject) reject = member.reject;
    files_.places_.push_back({archive, member.data_offset, files_.places_.size()});
    files_.entries_.push_back({path, member.bytes, member.modified_ns, std::move(reject)});
  } else if (path == kDatasetFile && !member.reject && member.bytes <= kMaxTextBytes) {
    std::string text;
    if (!stream.read(text)) files_.dataset_file_ = std::move(text);
  } else if (path == kClassesMember && !member.reject && member.bytes <= kMaxTextBytes) {
    read_class_names(stream);
  } else if (label_rank(lower_extension_of(path)) > 0 && !member.reject &&
             member.bytes <= kMaxLabelBytes) {
    read_label(path, stream);
  } else {
    ++files_.skipped_.others[extension_of(path)];
  }
}

void TarFiles::Listing::read_label(const std::string& path, ArchiveStream& stream) {
  const std::string extension = lower_extension_of(path);
  std::string text;
  const bool is_json = extension == ".json";
  const bool is_damaged = stream.read(text).has_value();
  if (is_export_ && is_json && !is_damaged) {
    if (std::string name = name_in(text); !name.empty())
      names_.insert_or_assign(std::string(sample_key(path)), std::move(name));
  }
  const std::optional<std::int64_t> found = is_damaged ? std::nullopt : class_in(text, is_json);
  if (is_export_ && is_json && !found) return;
  if (!found || *found < 0 || *found > INT32_MAX) {
    ++files_.skipped_.others[extension_of(path)];
    return;
  }
  SampleClass& of_sample = classes_[std::string(sample_key(path))];
  const int rank = label_rank(extension);
  if (rank > of_sample.rank) of_sample = {rank, *found};
}

void TarFiles::Listing::finish() {
  const std::vector<std::size_t> order = sort_entries(files_.entries_);
  std::vector<Place> places;
  places.reserve(order.size());
  for (const std::size_t i : order) places.push_back(files_.places_[i]);
  files_.places_ = std::move(places);
  if (is_export_) set_names();
  if (classes_.empty()) return;
  for (const FileEntry& entry : files_.entries_) {
    const auto found = classes_.find(std::string(sample_key(entry.path)));
    files_.labels_.push_back(found == classes_.end() ? -1 : found->second.label);
  }
}

void TarFiles::Listing::read_class_names(ArchiveStream& stream) {
  std::string text;
  if (stream.read(text)) return;
  const nlohmann::json list = try_parse_json(text);
  const bool is_list = list.is_array() &&
                       std::ranges::all_of(list, [](const auto& name) { return name.is_string(); });
  if (!is_list) return;
  is_export_ = true;
  files_.class_names_ = list.get<std::vector<std::string>>();
}

// Names that repeat are paths of samples again, so that names stay unique.
void TarFiles::Listing::set_names() {
  std::unordered_set<std::string> known;
  for (const FileEntry& entry : files_.entries_) {
    const auto found = names_.find(std::string(sample_key(entry.path)));
    std::string name = found == names_.end() ? escaped_name(entry.path) : found->second;
    if (!known.insert(name).second) name = escaped_name(entry.path);
    files_.names_.push_back(std::move(name));
  }
}

class TarFiles::Reader final : public FileReader {
 public:
  explicit Reader(const TarFiles& files) : files_(files) {}
  [[nodiscard]] std::optional<Reject> read(std::uint64_t index, std::string& content) override {
    if (files_.windows_) return files_.windows_->take(index, content);
    const Place& place = files_.places_[index];
    content.resize(files_.entries_[index].bytes);
    files_.files_[place.archive].read_at(place.offset, std::as_writable_bytes(std::span(content)));
    return std::nullopt;
  }

 private:
  const TarFiles& files_;
};

TarFiles::TarFiles(std::vector<fs::path> archives) : archives_(std::move(archives)) {
  Listing listing(*this);
  bool is_compressed = false;
  for (std::size_t i = 0; i < archives_.size(); ++i) is_compressed |= listing.add(i);
  listing.finish();
  if (!is_compressed) {
    for (const fs::path& archive : archives_)
      files_.push_back(PositionedFile::open_to_read(archive));
    return;
  }
  std::vector<StreamPlace> places;
  places.reserve(places_.size());
  for (std::size_t i = 0; i < places_.size(); ++i)
    places.push_back({places_[i].rank, entries_[i].bytes});
  windows_ = std::make_unique<StreamWindows>(
      [this] { return std::make_unique<ImageStream>(archives_); }, std::move(places));
}

std::unique_ptr<FileReader> TarFiles::open_reader() const {
  return std::make_unique<Reader>(*this);
}

void TarFiles::expect_order(const ReadingOrder& order) const {
  if (windows_) windows_->expect(order);
}

std::string TarFiles::place_of(std::string_view path) const {
  return fmt::format("{}: {}", archives_.front().string(), path);
}

std::vector<std::string> TarFiles::notes() const { return describe_skipped(skipped_); }

}  // namespace valley
