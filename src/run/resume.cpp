#include "run/resume.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/log.h"
#include "core/read_file.h"
#include "experiment/experiment.h"
#include "storage/checkpoint.h"
#include "storage/space.h"

namespace valley {
namespace {

// The values of a run's resolved config.
std::map<std::string, std::string> saved_values(const std::filesystem::path& config_file) {
  Experiment saved;
  Schema schema = saved.schema();
  schema.load_text(read_file(config_file), config_file.string(), {});
  return schema.values();
}

// The newest good checkpoint of a run, or none if it has not saved one.
std::optional<std::filesystem::path> checkpoint_of(const std::filesystem::path& run,
                                                   const Schema& schema) {
  const auto conflicts = resume_conflicts(saved_values(run / "config.toml"), schema);
  if (!conflicts.empty()) {
    throw Error(ExitCode::kConfig,
                "{} was started with another config:\n  {}\nundo these changes, or start a new run "
                "with --resume none",
                run.string(), fmt::join(conflicts, "\n  "));
  }
  const std::filesystem::path folder = run / "checkpoints";
  auto checkpoint = newest_good_checkpoint(folder);
  // Training from the first step would overwrite the damaged checkpoints.
  if (!checkpoint && !list_checkpoints(folder).empty()) {
    throw Error(
        ExitCode::kData,
        "every checkpoint of {} is damaged (see the warnings); restore one from a copy, or start "
        "a new run with --resume none",
        run.string());
  }
  if (!checkpoint)
    log::info("{} has no checkpoint yet: starting from its first step", run.string());
  return checkpoint;
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// The run to resume; or, if absent, a new run, from its first step or from the checkpoint of
// another run.
struct Target {
  std::optional<std::filesystem::path> run;
  std::optional<std::filesystem::path> checkpoint;
};

Target find_target(const std::string& resume, const std::filesystem::path& out,
                   const std::string& name) {
  if (resume == "none") return {};
  if (resume == "auto") return {newest_run(out, name), std::nullopt};
  const std::filesystem::path path = resume_path(resume);
  if (is_there(path / "config.toml")) return {path, std::nullopt};
  if (!is_there(path / "COMMIT")) {
    throw Error(ExitCode::kMissingInput,
                "--resume {}: not a run directory (no config.toml) and not a checkpoint (no "
                "COMMIT){}; name one of these, or use --resume auto",
                resume, tilde_hint(resume));
  }
  const std::filesystem::path folder = path.parent_path();
  const auto newest = newest_good_checkpoint(folder);
  const std::filesystem::path run = folder.parent_path();
  if (newest && std::filesystem::equivalent(*newest, path) && is_there(run / "config.toml"))
    return {run, std::nullopt};
  log::info("{} is not the newest checkpoint of its run: a new run starts from it", path.string());
  return {std::nullopt, path};
}

}  // namespace

std::filesystem::path resume_path(const std::string& resume) {
  std::filesystem::path path = std::filesystem::absolute(resume).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

RunChoice choose_run(const std::string& resume, const std::filesystem::path& out,
                     const std::string& name, const Schema& schema, const LaunchCheck& check) {
  const Target target = find_target(resume, out, name);
  if (!target.run) {
    require_directory_possible(out);
    check(out, target.checkpoint);
    return {std::nullopt, target.checkpoint};
  }
  RunDirectory run = RunDirectory::open(*target.run);
  auto checkpoint = checkpoint_of(run.path(), schema);
  check(run.checkpoints(), checkpoint);
  return {std::move(run), std::move(checkpoint)};
}

std::string preview_run(const std::string& resume, const std::filesystem::path& out,
                        const std::string& name, const Schema& schema, const LaunchCheck& check) {
  const Target target = find_target(resume, out, name);
  if (!target.run) {
    require_directory_possible(out);
    check(out, target.checkpoint);
    return fmt::format("start: a new run in {}{}", out.string(),
                       target.checkpoint ? ", from " + target.checkpoint->string() : "");
  }
  RunDirectory::require_available(*target.run);
  const auto checkpoint = checkpoint_of(*target.run, schema);
  check(*target.run / "checkpoints", checkpoint);
  return fmt::format("start: resumes {} from {}", target.run->string(),
                     checkpoint ? checkpoint->filename().string() : "its first step");
}

}  // namespace valley
