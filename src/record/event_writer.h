// The TensorBoard event file of a run: events.out.tfevents.TIME.HOST.valley. Used on rank 0.
//
// One file holds all events of a run in the order of steps: the version, the start event and the
// resolved config (a text at step 0), then scalars and images. Each event is appended in one write,
// or not at all. A resumed run appends to the same file if it can. Otherwise (there are events of
// later steps, a truncated end, or another config) the events to keep are copied to a new file and
// the previous file is emptied. It is removed only by the next such launch, because TensorBoard's
// Python reader hangs at a file that has vanished. A running TensorBoard reads the new file; both
// of its readers then discard earlier events (one because of the start event, the other because
// steps restart).
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "record/append_file.h"
#include "record/event.h"

namespace valley {

class EventWriter {
 public:
  // Continues the newest event file in `run`; drops events of steps after `resume_step`. `config`:
  // the resolved TOML. Error kCannotWrite, kIo or kMissingInput (a file that cannot be read) naming
  // the file.
  EventWriter(const std::filesystem::path& run, std::int64_t resume_step, std::string_view config);

  // Write events with the current time. Error kCannotWrite or kIo.
  void add_scalars(std::int64_t step, const Scalars& scalars);
  void add_image(std::int64_t step, const std::string& tag, const Png& png);
  void add_text(std::int64_t step, const std::string& tag, std::string_view markdown);

  // True if events of that tag were kept from earlier launches.
  [[nodiscard]] bool has_earlier(const std::string& tag) const { return tags_.contains(tag); }
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

 private:
  std::set<std::string> tags_;  // tags of kept events
  AppendFile file_;
};

}  // namespace valley
