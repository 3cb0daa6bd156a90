#include "core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "core/status_line.h"
#include "core/text.h"
#include "core/warning_recorder.h"

namespace valley::log {
namespace {

// The only process-wide state in Valley: destinations of messages, the status line and the rank.
struct State {
  std::mutex mutex;
  int rank = 0;
  int size = 1;
  std::shared_ptr<spdlog::logger> to_stderr;
  std::shared_ptr<spdlog::logger> to_file;
  StatusLine* status_line = nullptr;
  std::vector<std::string>* recorded_warnings = nullptr;
};

State& state() {
  static State instance;
  return instance;
}

std::shared_ptr<spdlog::logger> make_logger(std::shared_ptr<spdlog::sinks::sink> sink,
                                            const char* pattern) {
  auto logger = std::make_shared<spdlog::logger>("valley", std::move(sink));
  logger->set_pattern(pattern);
  logger->flush_on(spdlog::level::info);
  return logger;
}

const char* label(Level level) {
  switch (level) {
    case Level::kWarning:
      return "warning: ";
    case Level::kError:
      return "error: ";
    default:
      return "";
  }
}

}  // namespace

void set_rank(int rank, int size) {
  const std::scoped_lock lock(state().mutex);
  state().rank = rank;
  state().size = size;
}

void tee_to(const std::string& path) {
  const std::scoped_lock lock(state().mutex);
  state().to_file.reset();
  if (path.empty()) return;
  errno = 0;
  try {
    state().to_file = make_logger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path),
                                  "%Y-%m-%dT%H:%M:%S%z %v");
  } catch (const spdlog::spdlog_ex&) {
    throw file_error("opening", path, errno, true);
  }
}

void set_status_line(StatusLine& line) {
  const std::scoped_lock lock(state().mutex);
  state().status_line = &line;
}

void unset_status_line(const StatusLine& line) {
  const std::scoped_lock lock(state().mutex);
  if (state().status_line == &line) state().status_line = nullptr;
}

WarningRecorder::WarningRecorder() {
  const std::scoped_lock lock(state().mutex);
  VALLEY_CHECK(state().recorded_warnings == nullptr);
  state().recorded_warnings = &texts_;
}

WarningRecorder::~WarningRecorder() {
  const std::scoped_lock lock(state().mutex);
  state().recorded_warnings = nullptr;
}

std::vector<std::string> WarningRecorder::texts() const {
  const std::scoped_lock lock(state().mutex);
  return texts_;
}

void write(Level level, bool every_rank, std::string_view message) {
  const std::scoped_lock lock(state().mutex);
  State& s = state();
  if (!every_rank && s.rank != 0) return;
  if (level == Level::kWarning && s.recorded_warnings != nullptr)
    s.recorded_warnings->emplace_back(message);
  if (!s.to_stderr)
    s.to_stderr = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "%v");
  // Names and file contents in a message must not act as terminal commands.
  const std::string text = printable(message);
  const std::string prefix = s.size > 1 ? fmt::format("[{}] ", s.rank) : "";
  if (s.status_line != nullptr) s.status_line->hide();
  s.to_stderr->info("{}{}{}", prefix, label(level), text);
  if (s.status_line != nullptr) s.status_line->show_again();
  if (s.to_file) s.to_file->info("{}{}{}", prefix, label(level), text);
}

}  // namespace valley::log
