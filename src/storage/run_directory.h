// Run directory: `out`/00007-name with config.toml, run.json, log.txt, stats.jsonl, images and
// checkpoints/.
//
// Used on rank 0. A lock (flock on .lock, which contains {"host", "pid", "job"}) prevents two jobs
// from writing to the same run; the system releases it when the process ends. On file systems
// without locks there is a warning instead.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace valley {

class RunDirectory {
 public:
  // Creates `out`/NNNNN-`name` with the next free number; safe if other jobs do so at the same
  // time, also with other names. `name`: letters, digits, '.', '_' and '-'.
  static RunDirectory create(const std::filesystem::path& out, const std::string& name);
  // Opens an existing run. Error kMissingInput if there is none; kUsage naming host, process and
  // job if its lock is held.
  static RunDirectory open(const std::filesystem::path& path);

  // The same checks without taking the lock or writing anything: `path` is a run, is not in use and
  // is writable.
  static void require_available(const std::filesystem::path& path);

  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();  // releases the lock

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  [[nodiscard]] std::filesystem::path config_file() const { return path_ / "config.toml"; }
  [[nodiscard]] std::filesystem::path stats_file() const { return path_ / "stats.jsonl"; }
  [[nodiscard]] std::filesystem::path time_file() const { return path_ / "time.jsonl"; }
  [[nodiscard]] std::filesystem::path log_file() const { return path_ / "log.txt"; }

  // Appends a launch to run.json (a JSON array of objects, rewritten atomically) and removes the
  // exit.json of the previous launch, after adding it to the record of that launch if missing.
  void record_start(const std::string& json_object);
  // Writes exit.json ({"exit_code": n, "why": text, "ended": UTC time}) and adds the same to the
  // last record of run.json.
  // The value of VALLEY_LAUNCH_ID in the environment is stored as "launch", and `rescues`, a JSON
  // array if it is not empty, as "rescues". `suspect_host`: a host that computes wrong results, for
  // launch scripts.
  void record_end(int exit_code, const std::string& why, const std::string& rescues = "",
                  const std::string& suspect_host = "");
  // The same for a failure, unless there is one of another rank: the first one is kept.
  void record_failure(int exit_code, const std::string& why, const std::string& who);

 private:
  RunDirectory(std::filesystem::path path, int lock);
  std::filesystem::path path_;
  int lock_ = -1;
};

// True if a process holds the lock of the run at `path`; false also on file systems without
// locks.
[[nodiscard]] bool is_run_in_use(const std::filesystem::path& path);

// Any rank, without the lock: writes exit.json into the directory `run` with "failed": `who` ("rank
// 2 on host n01"), unless this launch has one. The next launch adds it to run.json.
void record_failure(const std::filesystem::path& run, int exit_code, const std::string& why,
                    const std::string& who);

// Newest run in `out` (highest number), if any; only directories named NNNNN-`name` (any name if it
// is empty) that hold a config.toml.
[[nodiscard]] std::optional<std::filesystem::path> newest_run(const std::filesystem::path& out,
                                                              const std::string& name = "");

// Finds the model at a user's path: a run directory or its checkpoints folder (the newest good
// checkpoint), a checkpoint (verified), or a single .safetensors file (verified if it is in a
// checkpoint). Error kMissingInput naming the files that it looked for, kData if a named checkpoint
// or file is damaged.
struct ModelLocation {
  std::filesystem::path model_file;
  std::optional<std::filesystem::path> checkpoint;  // nullopt for a single file
};
[[nodiscard]] ModelLocation locate_model(const std::filesystem::path& named);

}  // namespace valley
