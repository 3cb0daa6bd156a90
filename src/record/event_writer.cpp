#include "record/event_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "record/tfrecord.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";
// Distinguishes these files from others in the folder.
constexpr std::string_view kSuffix = ".valley";
// Temporary name without "tfevents", so that TensorBoard does not read the file yet.
constexpr const char* kUnfinished = ".events-unfinished.tmp";
constexpr const char* kConfigTag = "config";
constexpr std::size_t kCopiedAtOnce = std::size_t{1} << 20U;

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Oldest first, the order in which TensorBoard reads them.
std::vector<fs::path> event_files(const fs::path& run) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(run, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) files.push_back(entry->path());
  }
  if (error) throw file_error("listing", run.string(), error.value(), true);
  std::ranges::sort(files);
  return files;
}

std::int64_t time_of(const fs::path& file) {
  const std::string name = file.filename().string();
  std::int64_t seconds = 0;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), seconds);
  return seconds;
}

// Sorts after existing files, for any clock of this host.
fs::path next_file(const fs::path& run, const std::vector<fs::path>& files) {
  auto seconds = static_cast<std::int64_t>(wall_time());
  if (!files.empty()) seconds = std::max(seconds, time_of(files.back()) + 1);
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return run / fmt::format("{}{:010}.{}{}", kPrefix, seconds, host.data(), kSuffix);
}

std::string config_markdown(std::string_view config) {
  return fmt::format("```\n{}\n```\n", config);
}

std::string preamble(std::string_view config) {
  const double now = wall_time();
  return frame_record(version_event(now)) + frame_record(start_event(now, 0)) +
         frame_record(text_event(now, 0, kConfigTag, config_markdown(config)));
}

bool holds(const EventContent& content, const std::string& tag) {
  return std::ranges::find(content.tags, tag) != content.tags.end();
}

// Contents of an existing file, and whether a launch can append to it.
struct History {
  bool can_go_on = false;
  std::set<std::string> tags;  // tags of the events that are kept
};

History read_history(const fs::path& file, std::int64_t resume_step, std::string_view config) {
  History history;
  bool has_later = false;
  std::string text;
  RecordReader reader(file);
  while (const auto record = reader.next()) {
    const EventContent content = read_event(*record);
    if (content.step > resume_step) {
      has_later = true;
      continue;
    }
    history.tags.insert(content.tags.begin(), content.tags.end());
    if (holds(content, kConfigTag)) text = content.text;
  }
  // Only files before the newest one are emptied.
  if (reader.file_size() == 0) log::warn("{}: its events are lost: it is empty", file.string());
  const bool is_whole = reader.position() == reader.file_size();
  if (!is_whole)
    log::warn("{}: the {} bytes from byte {} on are truncated or damaged and are skipped",
              file.string(), reader.file_size() - reader.position(), reader.position());
  history.can_go_on = is_whole && !has_later && text == config_markdown(config);
  return history;
}

// Copies all events except the config, which is that of the last launch, and the records at the
// start of a file.
void copy_history(const fs::path& from, std::int64_t resume_step, AppendFile& to) {
  RecordReader reader(from);
  std::string piece;
  while (const auto record = reader.next()) {
    const EventContent content = read_event(*record);
    if (content.tags.empty() || content.step > resume_step || holds(content, kConfigTag)) continue;
    piece += frame_record(*record);
    if (piece.size() < kCopiedAtOnce) continue;
    to.append(piece);
    piece.clear();
  }
  to.append(piece);
}

// Removes all previous files except the last one, which it empties.
void retire(std::vector<fs::path> files, const fs::path& current) {
  std::erase(files, current);
  for (const fs::path& file : files) {
    std::error_code error;
    if (file == files.back()) {
      fs::resize_file(file, 0, error);
    } else {
      fs::remove(file, error);
    }
    if (error) log::warn("{}: {}; TensorBoard reads it as well", file.string(), error.message());
  }
}

AppendFile begin_file(const fs::path& run, std::int64_t resume_step, std::string_view config,
                      const std::vector<fs::path>& files) {
  const fs::path unfinished = run / kUnfinished;
  try {
    AppendFile file(unfinished, AppendFile::Begin::kEmpty);
    file.append(preamble(config));
    if (!files.empty()) copy_history(files.back(), resume_step, file);
    file.rename(next_file(run, files));
    return file;
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    throw;
  }
}

AppendFile open_file(const fs::path& run, std::int64_t resume_step, std::string_view config,
                     std::set<std::string>& tags) {
  const std::vector<fs::path> files = event_files(run);
  History history;
  if (!files.empty()) history = read_history(files.back(), resume_step, config);
  AppendFile file =
      history.can_go_on ? AppendFile(files.back()) : begin_file(run, resume_step, config, files);
  retire(files, file.path());
  tags = std::move(history.tags);
  return file;
}

}  // namespace

EventWriter::EventWriter(const fs::path& run, std::int64_t resume_step, std::string_view config)
    : file_(open_file(run, resume_step, config, tags_)) {}

void EventWriter::add_scalars(std::int64_t step, const Scalars& scalars) {
  file_.append(frame_record(scalars_event(wall_time(), step, scalars)));
}

void EventWriter::add_image(std::int64_t step, const std::string& tag, const Png& png) {
  file_.append(frame_record(image_event(wall_time(), step, tag, png)));
}

void EventWriter::add_text(std::int64_t step, const std::string& tag, std::string_view markdown) {
  file_.append(frame_record(text_event(wall_time(), step, tag, markdown)));
}

}  // namespace valley
