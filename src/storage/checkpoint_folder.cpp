#include "storage/checkpoint_folder.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/log.h"
#include "storage/checkpoint.h"
#include "storage/directory.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kAsidePrefix = ".old-step-";
constexpr std::string_view kTemporaryPrefix = ".tmp-step-";
constexpr std::size_t kStepDigits = 8;

std::optional<std::int64_t> step_after(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return parse_digits(name.substr(prefix.size()), kStepDigits);
}

bool is_good(const fs::path& checkpoint) {
  try {
    verify_checkpoint(checkpoint);
    return true;
  } catch (const Error& error) {
    log::warn("skipping the checkpoint {}: {}", checkpoint.string(), error.what());
    return false;
  }
}

// The same, but throws errors of storage: the checkpoint may be good, and a run resumed from an
// older one would replace it.
bool is_good_to_resume(const fs::path& checkpoint) {
  try {
    verify_checkpoint(checkpoint);
  } catch (const Error& error) {
    if (error.code() == ExitCode::kIo) throw;
    log::warn("skipping the checkpoint {}: {}", checkpoint.string(), error.what());
    return false;
  }
  return true;
}

std::map<std::int64_t, fs::path> checkpoints_by_step(const fs::path& folder) {
  std::map<std::int64_t, fs::path> by_step;
  for (const std::string& name : entry_names(folder)) {
    if (!is_committed(folder / name)) continue;
    if (const auto step = step_after(kPrefix, name)) {
      by_step[*step] = folder / name;
    } else if (const auto aside = step_after(kAsidePrefix, name)) {
      by_step.emplace(*aside, folder / name);
    }
  }
  return by_step;
}

// Renames before removing, so that a committed checkpoint never lacks files.
void remove_checkpoint(const fs::path& folder, std::int64_t step, const fs::path& checkpoint) {
  const fs::path doomed = temporary_path(folder, step, "pruned");
  remove_tree(doomed);
  rename_entry(checkpoint, doomed);
  remove_tree(doomed);
}

}  // namespace

std::optional<std::int64_t> checkpoint_step(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto step = step_after(kPrefix, name);
  return step ? step : step_after(kAsidePrefix, name);
}

std::string checkpoint_name(std::int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

fs::path aside_path(const fs::path& folder, std::int64_t step) {
  return folder / fmt::format(".old-{}", checkpoint_name(step));
}

fs::path temporary_path(const fs::path& folder, std::int64_t step, const std::string& purpose) {
  return folder / fmt::format(".tmp-{}-{}", checkpoint_name(step), purpose);
}

bool is_committed(const fs::path& checkpoint) {
  return type_of_file(checkpoint / kCommitFile) == fs::file_type::regular;
}

void clear_leftovers(const fs::path& folder) {
  for (const std::string& name : entry_names(folder)) {
    if (name.starts_with(kTemporaryPrefix)) {
      remove_tree(folder / name);
    } else if (const auto step = step_after(kAsidePrefix, name)) {
      const fs::path path = folder / checkpoint_name(*step);
      if (is_committed(path)) {
        remove_tree(folder / name);
      } else if (is_committed(folder / name) && !is_there(path)) {
        rename_entry(folder / name, path);
      }
    }
  }
}

std::vector<fs::path> list_checkpoints(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& [step, path] : checkpoints_by_step(folder)) paths.push_back(path);
  return paths;
}

std::optional<fs::path> newest_good_checkpoint(const fs::path& folder,
                                               const std::function<bool(const fs::path&)>& wanted) {
  const std::vector<fs::path> paths = list_checkpoints(folder);
  const auto found = std::find_if(paths.rbegin(), paths.rend(), [&](const fs::path& path) {
    return (!wanted || wanted(path)) && is_good_to_resume(path);
  });
  if (found == paths.rend()) return std::nullopt;
  return *found;
}

void mark_healthy(const fs::path& checkpoint) { write_file(checkpoint / kHealthyFile, ""); }

bool is_marked_healthy(const fs::path& checkpoint) {
  return type_of_file(checkpoint / kHealthyFile) == fs::file_type::regular;
}

void remove_checkpoints(const fs::path& folder,
                        const std::function<bool(const fs::path&)>& unwanted) {
  clear_leftovers(folder);
  std::map<std::int64_t, fs::path> checkpoints = checkpoints_by_step(folder);
  for (auto entry = checkpoints.rbegin(); entry != checkpoints.rend(); ++entry)
    if (unwanted(entry->second)) remove_checkpoint(folder, entry->first, entry->second);
}

std::vector<std::int64_t> rename_suspect_checkpoints(const fs::path& folder,
                                                     std::int64_t last_good) {
  clear_leftovers(folder);
  std::vector<std::int64_t> renamed;
  for (const auto& [step, path] : checkpoints_by_step(folder)) {
    if (step <= last_good) continue;
    const fs::path suspect = folder / ("suspect-" + checkpoint_name(step));
    remove_tree(suspect);  // that of an earlier launch
    rename_entry(path, suspect);
    renamed.push_back(step);
  }
  if (!renamed.empty()) sync_directory(folder);
  return renamed;
}

void prune_checkpoints(const fs::path& folder, std::int64_t keep, std::int64_t keep_healthy) {
  VALLEY_CHECK(keep >= 0);
  clear_leftovers(folder);
  std::map<std::int64_t, fs::path> checkpoints = checkpoints_by_step(folder);
  const auto kept = static_cast<std::size_t>(keep);
  if (kept == 0 || checkpoints.size() <= kept) return;

  // Stops at the first good one, usually the newest, so that only one is read.
  const auto good = std::find_if(checkpoints.rbegin(), checkpoints.rend(),
                                 [](const auto& entry) { return is_good(entry.second); });
  std::set<std::int64_t> spared;
  if (good != checkpoints.rend()) spared.insert(good->first);
  for (auto entry = checkpoints.rbegin(); entry != checkpoints.rend() && keep_healthy > 0;
       ++entry) {
    if (!is_marked_healthy(entry->second)) continue;
    spared.insert(entry->first);
    --keep_healthy;
  }
  const auto first_kept = std::prev(checkpoints.end(), keep);
  for (auto entry = checkpoints.begin(); entry != first_kept; ++entry)
    if (!spared.contains(entry->first)) remove_checkpoint(folder, entry->first, entry->second);
}

}  // namespace valley
