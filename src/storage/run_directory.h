// A run's folder: `out`/00007-name with config.toml, run.json, log.txt, stats.jsonl, pictures and
// checkpoints/.
//
// Used on rank 0. A lock (flock on .lock, holding {"host", "pid", "job"}) keeps two jobs from
// writing into one run; the system releases it when the process ends, however it ends. On a file
// system without locks a warning takes its place.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace valley {

class RunDirectory {
 public:
  // Makes `out`/NNNNN-`name` with the next free number; safe against another job doing the same,
  // also under another name. `name`: letters, digits, '.', '_' and '-'.
  static RunDirectory create(const std::filesystem::path& out, const std::string& name);
  // Opens an existing run. Error kMissingInput when it is none; kUsage naming host, process and job
  // when its lock is held.
  static RunDirectory open(const std::filesystem::path& path);

  // The same checks without taking the lock or writing anything: that `path` is a run, that nobody
  // uses it and that it can be written.
  static void require_available(const std::filesystem::path& path);

  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();  // releases the lock

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  [[nodiscard]] std::filesystem::path config_file() const { return path_ / "config.toml"; }
  [[nodiscard]] std::filesystem::path stats_file() const { return path_ / "stats.jsonl"; }
  [[nodiscard]] std::filesystem::path log_file() const { return path_ / "log.txt"; }

  // Appends one start to run.json (a JSON array of objects, rewritten atomically) and removes the
  // exit.json of the start before, after adding it to that start's record if it is missing there.
  void record_start(const std::string& json_object);
  // Writes exit.json ({"exit_code": n, "why": text, "ended": UTC time}) and adds the same to the
  // last record of run.json.
  // With VALLEY_LAUNCH_ID in the environment, its value is there as "launch".
  void record_end(int exit_code, const std::string& why);
  // The same for a failure, unless another rank's is there already: the first one stays.
  void record_failure(int exit_code, const std::string& why, const std::string& who);

 private:
  RunDirectory(std::filesystem::path path, int lock);
  std::filesystem::path path_;
  int lock_ = -1;
};

// Any rank, without the lock: writes exit.json into the directory `run` with "failed": `who` ("rank
// 2 on host n01"), unless there is one since the start. run.json takes it up with the next start.
void record_failure(const std::filesystem::path& run, int exit_code, const std::string& why,
                    const std::string& who);

// The newest run under `out` (highest number), if any; only directories named NNNNN-`name` (any
// name when it is empty) that hold a config.toml.
[[nodiscard]] std::optional<std::filesystem::path> newest_run(const std::filesystem::path& out,
                                                              const std::string& name = "");

// What a user may name: a run directory or its checkpoints folder (the newest good checkpoint), a
// checkpoint (verified), or a lone .safetensors file. Error kMissingInput saying what was looked
// for, kData when a named checkpoint is damaged.
struct ModelLocation {
  std::filesystem::path model_file;
  std::optional<std::filesystem::path> checkpoint;  // absent for a lone file
};
[[nodiscard]] ModelLocation locate_model(const std::filesystem::path& named);

}  // namespace valley
