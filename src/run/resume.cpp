#include "run/resume.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/read_file.h"
#include "core/self_digest.h"
#include "experiment/experiment.h"
#include "run/rescue.h"
#include "storage/checkpoint.h"
#include "storage/space.h"

namespace valley {
namespace {

// The values of a run's resolved config.
std::map<std::string, std::string> saved_values(const std::filesystem::path& config_file) {
  Experiment saved;
  Schema schema = saved.schema();
  const std::string text = read_file(config_file);
  require_digest_line(text, config_file.string());
  schema.load_text(text, config_file.string(), {});
  return schema.values();
}

// The newest good checkpoint of a run, or none if it has not saved one.
std::optional<std::filesystem::path> checkpoint_of(const std::filesystem::path& run,
                                                   const Schema& schema, std::int64_t newer_than) {
  const auto conflicts = resume_conflicts(saved_values(run / "config.toml"), schema);
  if (!conflicts.empty()) {
    throw Error(ExitCode::kConfig,
                "{} was started with another config:\n  {}\nundo these changes, or start a new run "
                "with --resume none",
                run.string(), fmt::join(conflicts, "\n  "));
  }
  const std::filesystem::path folder = run / "checkpoints";
  const std::vector<Rescue> rescues = read_rescues(run);
  const auto is_usable = [&](const auto& path) {
    return checkpoint_step(path).value_or(0) > newer_than && !is_undone(path, rescues);
  };
  auto checkpoint = newest_good_checkpoint(folder, is_usable);
  // Training from the first step would overwrite the damaged checkpoints.
  if (!checkpoint && newer_than >= 0) return checkpoint;
  if (!checkpoint && std::ranges::any_of(list_checkpoints(folder), is_usable)) {
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

// The run to resume; or, if absent, a new run: from its first step, from the checkpoint of another
// run, or from the weights of another run.
struct Target {
  std::optional<std::filesystem::path> run;
  std::optional<std::filesystem::path> checkpoint;
  std::filesystem::path model;
};

Target new_run(const ForkRequest& fork) {
  if (fork.from.empty()) return {};
  return {std::nullopt, std::nullopt, find_fork_model(fork)};
}

Target find_target(const StartRequest& request) {
  const std::string& resume = request.resume;
  if (resume == "none") return new_run(request.fork);
  if (resume == "auto") {
    std::optional<std::filesystem::path> newest = newest_run(request.out, request.name);
    if (!newest) return new_run(request.fork);
    if (!request.fork.from.empty())
      log::info("{} continues: --from counts for its first launch only", newest->string());
    return {std::move(newest), std::nullopt, {}};
  }
  if (!request.fork.from.empty())
    throw Error(ExitCode::kUsage,
                "--resume {} continues that run, whose weights --from {} would replace; leave one "
                "of them out",
                resume, request.fork.from);
  const std::filesystem::path path = resume_path(resume);
  if (is_there(path / "config.toml")) return {path, std::nullopt, {}};
  if (!is_there(path / "COMMIT")) {
    throw Error(ExitCode::kMissingInput,
                "--resume {}: not a run directory (no config.toml) and not a checkpoint (no "
                "COMMIT){}; name one of these, or use --resume auto",
                resume, tilde_hint(resume));
  }
  const std::filesystem::path folder = path.parent_path();
  const std::filesystem::path run = folder.parent_path();
  const std::vector<Rescue> rescues = read_rescues(run);
  const auto newest = newest_good_checkpoint(
      folder, [&](const auto& checkpoint) { return !is_undone(checkpoint, rescues); });
  if (newest && std::filesystem::equivalent(*newest, path) && is_there(run / "config.toml"))
    return {run, std::nullopt, {}};
  log::info("{} is not the newest checkpoint of its run: a new run starts from it", path.string());
  return {std::nullopt, path, {}};
}

}  // namespace

std::filesystem::path resume_path(const std::string& resume) {
  std::filesystem::path path = std::filesystem::absolute(resume).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

std::optional<std::filesystem::path> find_continued_run(const StartRequest& request) {
  if (request.resume == "none") return std::nullopt;
  if (request.resume == "auto") return newest_run(request.out, request.name);
  std::filesystem::path path = resume_path(request.resume);
  if (!is_there(path / "config.toml")) return std::nullopt;
  return path;
}

RunChoice choose_run(const StartRequest& request, const Schema& schema, const LaunchCheck& check) {
  const Target target = find_target(request);
  if (!target.run) {
    require_directory_possible(request.out);
    check(request.out, target.checkpoint);
    return {std::nullopt, target.checkpoint, target.model};
  }
  RunDirectory run = RunDirectory::open(*target.run);
  auto checkpoint = checkpoint_of(run.path(), schema, request.newer_than);
  check(run.checkpoints(), checkpoint);
  return {std::move(run), std::move(checkpoint), {}};
}

std::string preview_run(const StartRequest& request, const Schema& schema,
                        const LaunchCheck& check) {
  const Target target = find_target(request);
  if (!target.run) {
    require_directory_possible(request.out);
    check(request.out, target.checkpoint);
    const std::string source =
        target.checkpoint ? target.checkpoint->string() : target.model.string();
    return fmt::format("start: a new run in {}{}", request.out.string(),
                       source.empty() ? "" : ", from " + source);
  }
  RunDirectory::require_available(*target.run);
  const auto checkpoint = checkpoint_of(*target.run, schema, request.newer_than);
  check(*target.run / "checkpoints", checkpoint);
  return fmt::format("start: resumes {} from {}", target.run->string(),
                     checkpoint ? checkpoint->filename().string() : "its first step");
}

}  // namespace valley
