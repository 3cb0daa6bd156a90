#include "train/resume.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/log.h"
#include "storage/checkpoint.h"
#include "train/experiment.h"

namespace valley {
namespace {

// The values of a run's resolved config.
std::map<std::string, std::string> saved_values(const std::filesystem::path& config_file) {
  Experiment saved;
  Schema schema = saved.schema();
  schema.load(config_file, {});
  return schema.values();
}

RunChoice continue_run(const std::filesystem::path& path, const Schema& schema) {
  RunDirectory run = RunDirectory::open(path);
  const auto conflicts = resume_conflicts(saved_values(run.config_file()), schema.values());
  if (!conflicts.empty()) {
    throw Error(ExitCode::kConfig,
                "{} was started with another config:\n  {}\nundo these, or start a new run with "
                "--resume none",
                run.path().string(), fmt::join(conflicts, "\n  "));
  }
  auto checkpoint = newest_good_checkpoint(run.checkpoints());
  // Starting over would take their place.
  if (!checkpoint && !list_checkpoints(run.checkpoints()).empty()) {
    throw Error(
        ExitCode::kData,
        "every checkpoint of {} is damaged, as the warnings say; put back a copy of one, or "
        "start a new run with --resume none",
        run.path().string());
  }
  if (!checkpoint)
    log::info("{} has no checkpoint yet: starting from its first step", run.path().string());
  return {std::move(run), std::move(checkpoint)};
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

std::filesystem::path resume_path(const std::string& resume) {
  std::filesystem::path path = std::filesystem::absolute(resume).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

RunChoice choose_run(const std::string& resume, const std::filesystem::path& out,
                     const std::string& name, const Schema& schema) {
  if (resume == "none") return {};
  if (resume == "auto") {
    if (const auto newest = newest_run(out, name)) return continue_run(*newest, schema);
    return {};
  }
  const std::filesystem::path path = resume_path(resume);
  if (is_there(path / "config.toml")) return continue_run(path, schema);
  if (!is_there(path / "COMMIT")) {
    throw Error(ExitCode::kMissingInput,
                "--resume {}: neither a run directory (no config.toml) nor a checkpoint (no "
                "COMMIT) is there",
                resume);
  }
  const std::filesystem::path folder = path.parent_path();
  const auto newest = newest_good_checkpoint(folder);
  const std::filesystem::path run = folder.parent_path();
  if (newest && std::filesystem::equivalent(*newest, path) &&
      is_there(run / "config.toml")) {
    return continue_run(run, schema);
  }
  log::info("{} is not the newest checkpoint of its run: a new run starts from it", path.string());
  return {std::nullopt, path};
}

}  // namespace valley
