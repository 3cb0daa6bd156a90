// The TensorBoard event file of a run: events.out.tfevents.TIME.HOST.valley. Used on rank 0.
//
// One file holds all events of a run, in the order of their steps: first the version, the start and
// the resolved config (a text at step 0), then scalars and pictures. Each event reaches the file
// whole, in one write, or not at all. A start goes on in the same file where it can. Where it
// cannot (there are events of later steps, a torn end, or another config), a new file takes over
// what stays, and the file before it is emptied. It is not removed until the next such start:
// TensorBoard's Python reader never gets past a file that has vanished. A TensorBoard that is
// already running reads the new file to its end; both of its readers then drop what they had read
// before (the one because of the start event, the other because steps begin again).
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
  // Goes on in the newest event file of this name's form in `run`; events of steps after
  // `resume_step` do not stay. `config`: the resolved TOML. Throws Error kCannotWrite, kIo or
  // kMissingInput (a file that cannot be read) naming the file.
  EventWriter(const std::filesystem::path& run, std::int64_t resume_step, std::string_view config);

  // At the present time. Throw Error kCannotWrite or kIo.
  void add_scalars(std::int64_t step, const Scalars& scalars);
  void add_image(std::int64_t step, const std::string& tag, const Png& png);
  void add_text(std::int64_t step, const std::string& tag, std::string_view markdown);

  // Whether events of that tag stayed from earlier starts.
  [[nodiscard]] bool has_earlier(const std::string& tag) const { return tags_.contains(tag); }
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

 private:
  std::set<std::string> tags_;  // of what stayed
  AppendFile file_;
};

}  // namespace valley
