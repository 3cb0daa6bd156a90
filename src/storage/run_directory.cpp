#include "storage/run_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/text.h"
#include "storage/checkpoint.h"
#include "storage/directory.h"
#include "storage/run_lock.h"
#include "storage/space.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kNumberDigits = 5;

// Number of a run "NNNNN-name".
std::optional<std::int64_t> run_number(std::string_view name) {
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  return parse_digits(name.substr(0, dash), kNumberDigits);
}

std::int64_t highest_number(const fs::path& out) {
  std::int64_t highest = -1;
  for (const std::string& name : entry_names(out))
    highest = std::max(highest, run_number(name).value_or(-1));
  return highest;
}

bool number_is_taken(const fs::path& out, std::int64_t number) {
  return std::ranges::any_of(entry_names(out),
                             [&](const std::string& name) { return run_number(name) == number; });
}

// Reserves the next free number for any run name by creating a directory of that number; mkdir
// fails in all but one of concurrent jobs. The directory is later renamed to the run's name. A
// leftover of a killed job blocks only its number. Returns the number.
std::int64_t claim_number(const fs::path& out, fs::path& claim) {
  for (std::int64_t number = highest_number(out) + 1;; ++number) {
    claim = out / fmt::format(".claim-{:05}", number);
    if (!make_directory(claim)) continue;
    if (!number_is_taken(out, number)) return number;
    remove_tree(claim);
  }
}

void check_name(const std::string& name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > 200 || !std::ranges::all_of(name, is_allowed))
    throw Error(
        ExitCode::kUsage,
        "'{}' is not a valid name of a run: use letters, digits, '.', '_' and '-', at most 200",
        name);
}

std::string to_text(const Json& json) { return write_json(json, 2) + "\n"; }

Json read_records(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return Json::array();
  Json records = try_parse_json<Json>(read_file(file));
  if (!records.is_array() ||
      !std::ranges::all_of(records, [](const Json& record) { return record.is_object(); }))
    throw Error(ExitCode::kData,
                "{}: not a JSON array of objects; rename it and run again, which creates a new one",
                file.string());
  return records;
}

// Contents of exit.json. The launch id lets launch scripts distinguish it from that of an earlier
// launch.
Json end_record(int exit_code, const std::string& why) {
  Json end = {{"exit_code", exit_code}, {"why", why}, {"ended", utc_now()}};
  if (const char* launch = std::getenv("VALLEY_LAUNCH_ID")) end["launch"] = launch;
  return end;
}

Json end_in(const fs::path& run) {
  std::error_code ignored;
  const fs::path file = run / "exit.json";
  if (!fs::exists(file, ignored)) return {};
  return try_parse_json<Json>(read_file(file));
}

void add_to_last_start(const fs::path& run, const Json& end) {
  const fs::path file = run / "run.json";
  Json records = read_records(file);
  if (records.empty()) records.push_back(Json::object());
  records.back().update(end);
  write_file(file, to_text(records));
}

ModelLocation newest_in(const fs::path& folder, const fs::path& named) {
  const auto newest = newest_good_checkpoint(folder);
  if (!newest && !list_checkpoints(folder).empty())
    throw Error(ExitCode::kData,
                "{}: every checkpoint is damaged (see the warnings); restore a copy of one",
                named.string());
  if (!newest)
    throw Error(
        ExitCode::kMissingInput,
        "{} holds no complete checkpoint: looked for {}/step-*/ with COMMIT and the files that "
        "it lists",
        named.string(), folder.string());
  return {*newest / "model.safetensors", *newest};
}

void require_run(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored))
    throw Error(ExitCode::kMissingInput, "there is no run directory {}", path.string());
  if (!fs::is_regular_file(path / "config.toml", ignored))
    throw Error(ExitCode::kMissingInput, "{} is not a run directory: it holds no config.toml",
                path.string());
}

}  // namespace

RunDirectory::RunDirectory(fs::path path, int lock) : path_(std::move(path)), lock_(lock) {}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunDirectory::~RunDirectory() { release_run_lock(lock_); }

RunDirectory RunDirectory::create(const fs::path& out, const std::string& name) {
  check_name(name);
  make_directories(out);
  fs::path claim;
  const std::int64_t number = claim_number(out, claim);
  const fs::path path = out / fmt::format("{:05}-{}", number, name);
  try {
    // Locked before it gets its final name, so that no other job can use the new run.
    RunDirectory run(path, take_run_lock(claim, path));
    rename_entry(claim, path);
    sync_directory(out);
    return run;
  } catch (...) {
    remove_tree(claim);
    throw;
  }
}

RunDirectory RunDirectory::open(const fs::path& path) {
  require_run(path);
  return {path, take_run_lock(path, path)};
}

void RunDirectory::require_available(const fs::path& path) {
  require_run(path);
  require_run_unlocked(path);
  require_directory_possible(path / "checkpoints");
}

void RunDirectory::record_start(const std::string& json_object) {
  Json record = try_parse_json<Json>(json_object);
  VALLEY_CHECK(record.is_object());
  const fs::path file = path_ / "run.json";
  Json records = read_records(file);
  // Adds what another rank or a killed process could not add to the record.
  const Json end = end_in(path_);
  if (end.is_object() && !records.empty() && !records.back().contains("exit_code"))
    records.back().update(end);
  records.push_back(std::move(record));
  write_file(file, to_text(records));

  const fs::path exit_file = path_ / "exit.json";
  if (std::remove(exit_file.c_str()) != 0 && errno != ENOENT)
    throw file_error("removing", exit_file.string(), errno, true);
}

void RunDirectory::record_end(int exit_code, const std::string& why, const std::string& rescues,
                              const std::string& suspect_host) {
  Json end = end_record(exit_code, why);
  if (!rescues.empty()) end["rescues"] = try_parse_json<Json>(rescues);
  if (!suspect_host.empty()) end["suspect_host"] = suspect_host;
  // exit.json first: launch scripts read it.
  write_file(path_ / "exit.json", to_text(end));
  add_to_last_start(path_, end);
}

void RunDirectory::record_failure(int exit_code, const std::string& why, const std::string& who) {
  valley::record_failure(path_, exit_code, why, who);
  const Json end = end_in(path_);
  if (end.is_object()) add_to_last_start(path_, end);
}

void record_failure(const fs::path& run, int exit_code, const std::string& why,
                    const std::string& who) {
  std::error_code ignored;
  if (fs::exists(run / "exit.json", ignored)) return;
  Json end = end_record(exit_code, why);
  end["failed"] = who;
  write_file(run / "exit.json", to_text(end));
}

bool is_run_in_use(const fs::path& path) { return is_run_locked(path); }

std::optional<fs::path> newest_run(const fs::path& out, const std::string& wanted) {
  std::optional<fs::path> newest;
  std::int64_t highest = -1;
  for (const std::string& name : entry_names(out)) {
    std::error_code ignored;
    const auto number = run_number(name);
    if (!wanted.empty() && name.substr(name.find('-') + 1) != wanted) continue;
    if (!number || *number <= highest || !fs::is_regular_file(out / name / "config.toml", ignored))
      continue;
    highest = *number;
    newest = out / name;
  }
  return newest;
}

ModelLocation locate_model(const fs::path& named) {
  std::error_code ignored;
  if (fs::is_regular_file(named, ignored)) {
    if (named.extension() == ".safetensors") {
      verify_checkpoint_file(named);
      return {named, std::nullopt};
    }
    throw Error(ExitCode::kMissingInput,
                "{} is not a model: name a .safetensors file, a checkpoint or a run directory",
                named.string());
  }
  if (!fs::is_directory(named, ignored))
    throw Error(ExitCode::kMissingInput,
                "{} does not exist: name a run directory, a checkpoint or a .safetensors file{}",
                named.string(), tilde_hint(named.string()));
  if (fs::exists(named / "COMMIT", ignored)) {
    verify_checkpoint(named);
    return {named / "model.safetensors", named};
  }
  if (fs::is_directory(named / "checkpoints", ignored))
    return newest_in(named / "checkpoints", named);
  if (!list_checkpoints(named).empty()) return newest_in(named, named);
  if (fs::exists(named / "model.safetensors", ignored))
    throw Error(ExitCode::kMissingInput,
                "{0} has no COMMIT, so it is not a complete checkpoint; to use its model anyway, "
                "name {0}/model.safetensors",
                named.string());
  throw Error(ExitCode::kMissingInput,
              "{} holds no model: looked for COMMIT (a checkpoint), checkpoints/step-*/COMMIT (a "
              "run) and step-*/COMMIT",
              named.string());
}

}  // namespace valley
