// Copies of the newest state on each host (checkpoint.local), in memory or on a local disk: a run
// that has lost ranks or a host continues from them, newer than its last checkpoint and without
// reading the shared file system.
//
// Every rank has the whole state, so that the first rank of each host writes a copy, in the format
// of a checkpoint, to
//
//   DIR/HASH-N/step-NNNNNNNN      N: number of the launch that continues from there (run.json)
//
// HASH is that of the run's random id in run.json and of the run's path, so that neither another
// run nor a copy of the run's folder finds it. Folders are private to the user (0700). A launch
// takes over the folder of the launch before it, if its copies are not later than the state from
// which it continues; other folders of the run are removed. So a host that was left out for some
// launches cannot bring back steps that the run has since done otherwise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "experiment/experiment.h"
#include "run/rescue.h"
#include "storage/checkpoint.h"

namespace valley {

class LocalCopies {
 public:
  // The references must outlive this object.
  LocalCopies(World& world, const Experiment& experiment)
      : world_(world), experiment_(experiment) {}

  [[nodiscard]] bool is_on() const { return !experiment_.checkpoint.local.empty(); }

  // Collective. `run`: on rank 0, the run that continues; otherwise nullopt. The step of the newest
  // good copy on any host, of steps that no rescue has undone; negative: there is none.
  [[nodiscard]] std::int64_t find(const std::optional<std::filesystem::path>& run);
  // The copy that was found, for messages: "the local copy on host n01".
  [[nodiscard]] std::string describe() const;
  // Collective. Ranks whose host has that copy read it; the others get it from such a rank.
  [[nodiscard]] Checkpoint read();

  // Rank 0, before the launch is recorded: the id for its record in run.json.
  [[nodiscard]] std::string choose_id(const std::optional<std::filesystem::path>& run);
  // Collective, after the launch was recorded, with the run's absolute path; `step`: of the state
  // from which the launch continues. Returns the folder in which this rank writes copies; nullopt
  // for ranks that write none, after a warning if their folder cannot be used.
  [[nodiscard]] std::optional<std::filesystem::path> open(const std::string& run_path,
                                                          std::int64_t step);
  // Removes the copies that a rescue has undone. None of them is being written.
  void remove_undone(const std::vector<Rescue>& rescues) const;
  // Removes the copies after `step`. None of them is being written.
  void remove_after(std::int64_t step) const;
  // After an orderly end.
  void remove() const;

 private:
  [[nodiscard]] bool is_writer() { return world_.host().local_rank() == 0; }

  World& world_;
  const Experiment& experiment_;
  std::filesystem::path earlier_;  // folder that `find` looked into
  std::filesystem::path folder_;   // in which this rank writes
  std::int64_t step_ = -1;
  int holder_ = -1;  // a rank on a host with the copy
  std::string holder_host_;
  bool has_copy_ = false;        // this rank's host
  bool all_have_copy_ = false;   // all hosts
  std::filesystem::path found_;  // on a host with the copy
};

}  // namespace valley
