#include "report/run_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <system_error>

#include "core/config.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/self_digest.h"
#include "core/toml_text.h"
#include "core/weighted_list.h"
#include "methods/registry.h"

namespace valley::report {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kNoStats = "There is no stats.jsonl: metrics cannot be shown.";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

[[noreturn]] void reject(const fs::path& path, const std::string& what) {
  throw Error(ExitCode::kMissingInput, "{} {}", path.string(), what);
}

// The run that contains `path`, for messages.
std::string enclosing_run(const fs::path& path) {
  for (fs::path p = fs::absolute(path).lexically_normal(); p.has_relative_path();
       p = p.parent_path())
    if (is_there(p / "config.toml")) return p.string();
  return "RUN";
}

std::string newest_run_in(const fs::path& folder) {
  std::error_code failed;
  std::string newest;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed))
    if (is_run(entry.path())) newest = std::max(newest, entry.path().string());
  return newest;
}

void require_run(const fs::path& path) {
  std::error_code ignored;
  if (!is_there(path))
    reject(path, "does not exist: name a run directory, such as runs/00007-name" +
                     tilde_hint(path.string()));
  if (!fs::is_directory(path, ignored))
    reject(path, fmt::format("is a file, not a run directory: name the run directory ({})",
                             enclosing_run(path)));
  if (is_there(path / "COMMIT") || is_there(path / "model.safetensors"))
    reject(path, fmt::format("is a checkpoint, which has no metrics: name its run directory ({})",
                             enclosing_run(path)));
  if (is_run(path)) return;
  if (const std::string run = newest_run_in(path); !run.empty())
    reject(path, fmt::format(
                     "contains run directories but is not one: name one of them, such as {}", run));
  reject(path,
         "is not a run directory: it has no config.toml, run.json or stats.jsonl; name a run "
         "directory, such as runs/00007-name");
}

// Text of a file; if it cannot be read, nothing, and a notice is added.
std::optional<std::string> text_of(const fs::path& file, std::vector<std::string>& notices) {
  try {
    return read_file(file);
  } catch (const Error& error) {
    notices.emplace_back(error.what());
    return std::nullopt;
  }
}

// A mixture of data sets as the config file writes it, on one line and with short numbers.
std::string list_text(const std::string& printed) {
  if (!is_weighted_list(printed)) return printed;
  try {
    return to_toml(parse_weighted_list(printed, "config.toml"));
  } catch (const Error&) {
    return printed;  // another list of lists
  }
}

void flatten(const toml::table& table, const std::string& prefix,
             std::vector<std::pair<std::size_t, std::pair<std::string, std::string>>>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      flatten(*inner, name + ".", out);
      continue;
    }
    std::ostringstream value;
    node.visit([&value](const auto& held) {
      if constexpr (toml::is_string<decltype(held)>) {
        value << toml_string(held.get());
      } else if constexpr (toml::is_floating_point<decltype(held)>) {
        value << fmt::format("{}", held.get());
      } else {
        value << held;
      }
    });
    out.push_back({key.source().begin.line, {name, list_text(value.str())}});
  }
}

void read_config(RunFiles& run) {
  const fs::path file = run.path / "config.toml";
  if (!is_there(file)) {
    run.notices.emplace_back("There is no config.toml: settings cannot be shown.");
    return;
  }
  const std::optional<std::string> text = text_of(file, run.notices);
  if (!text) return;
  run.config = *text;
  if (!fits_digest_line(*text))
    run.notices.emplace_back("config.toml was edited or damaged after Valley wrote it.");
  try {
    std::vector<std::pair<std::size_t, std::pair<std::string, std::string>>> found;
    flatten(parse_toml(*text, "config.toml"), "", found);
    std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
    for (auto& [line, setting] : found) run.settings.push_back(std::move(setting));
  } catch (const Error& error) {
    // "config.toml:3:7: why"
    const std::string what = error.what();
    run.notices.push_back("config.toml is damaged at line " + what.substr(what.find(':') + 1));
  }
}

std::string text_of(const OrderedJson& value) {
  if (value.is_string()) return value.get<std::string>();
  return write_json(value);
}

Fields fields_of(const OrderedJson& object) {
  Fields fields;
  for (const auto& [name, value] : object.items()) fields.emplace_back(name, text_of(value));
  return fields;
}

OrderedJson read_json(const fs::path& file, std::vector<std::string>& notices) {
  const std::optional<std::string> text = text_of(file, notices);
  if (!text) return {};
  OrderedJson json = try_parse_json<OrderedJson>(*text);
  if (json.is_discarded())
    notices.push_back(fmt::format("{} is damaged: it is not JSON.", file.filename().string()));
  return json;
}

void read_launches(RunFiles& run) {
  if (!is_there(run.path / "run.json")) {
    run.notices.emplace_back("There is no run.json: launches cannot be shown.");
  } else {
    const OrderedJson launches = read_json(run.path / "run.json", run.notices);
    for (const OrderedJson& launch : launches.is_array() ? launches : OrderedJson::array())
      if (launch.is_object()) run.launches.push_back(fields_of(launch));
  }
  if (!is_there(run.path / "exit.json")) return;
  const OrderedJson end = read_json(run.path / "exit.json", run.notices);
  if (end.is_object()) run.end = fields_of(end);
}

void read_metrics(RunFiles& run) {
  const fs::path file = run.path / "stats.jsonl";
  if (!is_there(file)) {
    run.notices.emplace_back(kNoStats);
    return;
  }
  const std::optional<std::string> text = text_of(file, run.notices);
  if (!text) return;
  run.stats = read_stats(*text);
  if (run.stats.lines == 0 && run.stats.unreadable > 0)
    throw Error(
        ExitCode::kData,
        "{}: none of its {} lines is a JSON object; move it away for a report without metrics",
        file.string(), run.stats.unreadable);
  if (run.stats.unreadable > 0)
    run.notices.push_back(fmt::format("{} of {} lines of stats.jsonl are damaged and were ignored.",
                                      run.stats.unreadable,
                                      run.stats.unreadable + run.stats.lines));
}

void read_grids(RunFiles& run, const GridLimits& limits) {
  run.grids = find_grids(run.path, run.stats.last_step, limits);
  for (const std::string& image : run.grids.unusable)
    run.notices.push_back("Image not shown: " + image);
  std::size_t gone = 0;
  for (const std::string& name : run.stats.grids) gone += is_there(run.path / name) ? 0 : 1;
  if (gone > 0)
    run.notices.push_back(fmt::format("{} of the {} grids in stats.jsonl have been deleted.", gone,
                                      run.stats.grids.size()));
}

void read_time(RunFiles& run) {
  try {
    run.time = compute_goodput(read_time_lines(run.path / "time.jsonl"));
  } catch (const Error& error) {
    run.notices.emplace_back(error.what());
  }
}

// Size of the data set, if its manifest is still in place with the same fingerprint.
void read_data(RunFiles& run) {
  const std::string path = unquoted(run.setting("data.path"));
  if (path.empty() || run.launches.empty()) return;
  if (!is_there(fs::path(path) / "manifest.json")) return;
  std::vector<std::string> ignored;
  const OrderedJson manifest = read_json(fs::path(path) / "manifest.json", ignored);
  if (!manifest.is_object() || !manifest.contains("fingerprint") ||
      text_of(manifest["fingerprint"]) != field(run.launches.back(), "data_fingerprint"))
    return;
  for (const char* name : {"images", "height", "width", "channels"})
    if (manifest.contains(name)) run.data.emplace_back(name, text_of(manifest[name]));
}

}  // namespace

std::string field(const Fields& fields, const std::string& name) {
  const auto found = std::ranges::find(fields, name, &Fields::value_type::first);
  return found == fields.end() ? "" : found->second;
}

std::string RunFiles::parent() const {
  if (launches.empty()) return "";
  const fs::path model = field(launches.front(), "started_from");
  const fs::path checkpoint = model.parent_path();
  const bool is_in_run = checkpoint.parent_path().filename() == "checkpoints";
  if (!is_in_run) return model.filename();
  return checkpoint.parent_path().parent_path().filename() / checkpoint.filename();
}

std::string RunFiles::setting(const std::string& key) const { return field(settings, key); }

std::string unquoted(const std::string& toml) {
  const bool is_quoted = toml.size() >= 2 && toml.front() == toml.back() &&
                         (toml.front() == '"' || toml.front() == '\'');
  return is_quoted ? toml.substr(1, toml.size() - 2) : toml;
}

std::string RunFiles::energy() const {
  const Method* method = find_method(unquoted(setting("objective.name")));
  const std::string energy_key = unquoted(setting("objective.energy"));
  return method == nullptr ? energy_key : method->energy_unit(energy_key);
}

bool is_run(const fs::path& path) {
  return is_there(path / "config.toml") || is_there(path / "run.json") ||
         is_there(path / "stats.jsonl");
}

RunFiles read_run_records(const fs::path& path) {
  require_run(path);
  RunFiles run;
  run.path = path;
  run.name = fs::absolute(path).lexically_normal().filename().string();
  if (run.name.empty()) run.name = fs::absolute(path).lexically_normal().parent_path().filename();
  read_config(run);
  read_launches(run);
  read_metrics(run);
  read_time(run);
  return run;
}

RunFiles read_run(const fs::path& path, const GridLimits& limits) {
  RunFiles run = read_run_records(path);
  read_grids(run, limits);
  read_data(run);
  if (is_there(run.path / "log.txt"))
    if (const std::optional<std::string> log = text_of(run.path / "log.txt", run.notices))
      run.log = find_warnings(*log);
  return run;
}

}  // namespace valley::report
