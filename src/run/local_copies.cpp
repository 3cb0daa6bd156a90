#include "run/local_copies.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <system_error>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/read_file.h"
#include "storage/directory.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// The launches in run.json.
nlohmann::json read_records(const fs::path& run) {
  std::error_code ignored;
  const fs::path file = run / "run.json";
  if (!fs::exists(file, ignored)) return nlohmann::json::array();
  nlohmann::json records = try_parse_json(read_file(file));
  return records.is_array() ? records : nlohmann::json::array();
}

std::string last_id(const nlohmann::json& records) {
  if (records.empty() || !records.back().is_object()) return "";
  const auto found = records.back().find("run_id");
  return found != records.back().end() && found->is_string() ? found->get<std::string>() : "";
}

std::string hash_of(const std::string& id, const fs::path& run) {
  constexpr std::size_t kDigits = 32;
  const std::string path = fs::absolute(run).lexically_normal().string();
  return sha256_hex(as_bytes(id + "\n" + path)).substr(0, kDigits);
}

std::string folder_name(const std::string& hash, std::size_t launch) {
  return fmt::format("{}-{}", hash, launch);
}

// Why `folder` may not be trusted or used; "" if it is a directory that only this user can read.
std::string obstacle_in(const fs::path& folder) {
  struct ::stat status {};
  if (::lstat(folder.c_str(), &status) != 0) return std::strerror(errno);
  if (!S_ISDIR(status.st_mode)) return "it is not a directory";
  if (status.st_uid != ::geteuid()) return "it belongs to another user";
  if ((status.st_mode & 077U) != 0) return "other users have access to it";
  return "";
}

void make_private_folder(const fs::path& folder) {
  constexpr ::mode_t kPrivate = 0700;
  std::error_code failed;
  const fs::path parent = folder.parent_path();
  if (!fs::exists(parent, failed)) {
    if (parent.has_parent_path()) fs::create_directories(parent.parent_path(), failed);
    if (::mkdir(parent.c_str(), kPrivate) != 0 && errno != EEXIST)
      throw file_error("making the directory", parent.string(), errno, true);
  }
  if (::mkdir(folder.c_str(), kPrivate) != 0 && errno != EEXIST)
    throw file_error("making the directory", folder.string(), errno, true);
  if (const std::string fault = obstacle_in(folder); !fault.empty())
    throw Error(ExitCode::kCannotWrite, "{}: {}", folder.string(), fault);
}

std::optional<fs::path> newest_copy(const fs::path& folder, const std::vector<Rescue>& rescues) {
  if (!obstacle_in(folder).empty()) return std::nullopt;
  return newest_good_checkpoint(folder,
                                [&](const fs::path& copy) { return !is_undone(copy, rescues); });
}

constexpr std::uint64_t kMaxStateBytes = std::uint64_t{1} << 40U;

// The file of rank `root`, read once, on every rank.
TensorFile broadcast_tensors(World& world, const fs::path& file, int root) {
  std::string text;
  if (world.rank() == root) text = read_file(file, {.max_bytes = kMaxStateBytes});
  text = world.broadcast(text, root);
  return parse_safetensors(std::as_bytes(std::span(text)), file.string());
}

}  // namespace

std::int64_t LocalCopies::find(const std::optional<fs::path>& run) {
  step_ = -1;
  std::string question;  // the folder's name and the rescues of the run
  if (run) {
    const nlohmann::json records = read_records(*run);
    if (const std::string id = last_id(records); !id.empty())
      question =
          folder_name(hash_of(id, *run), records.size()) + "\n" + to_json(read_rescues(*run));
  }
  question = world_.broadcast(question);
  if (question.empty()) return step_;
  const std::size_t end = question.find('\n');
  earlier_ = fs::path(experiment_.checkpoint.local) / question.substr(0, end);
  const std::vector<Rescue> rescues =
      parse_rescues(question.substr(end + 1), "the rescues of rank 0");

  std::optional<fs::path> own;
  if (is_writer()) own = newest_copy(earlier_, rescues);
  const auto step_of = [](const std::string& answer) {
    return checkpoint_step(answer.substr(answer.find('\n') + 1)).value_or(-1);
  };
  const std::vector<std::string> answers =
      world_.gather(host_name() + "\n" + (own ? own->filename().string() : "-"));
  const auto newest = std::ranges::max_element(answers, {}, step_of);
  step_ = step_of(*newest);
  if (step_ < 0) return step_;
  holder_ = static_cast<int>(newest - answers.begin());
  holder_host_ = newest->substr(0, newest->find('\n'));
  found_ = earlier_ / newest->substr(newest->find('\n') + 1);
  has_copy_ = std::ranges::any_of(answers, [&](const std::string& answer) {
    return answer.starts_with(host_name() + "\n") && step_of(answer) == step_;
  });
  const std::vector<std::string> have = world_.gather(has_copy_ ? "yes" : "no");
  all_have_copy_ = std::ranges::find(have, "no") == have.end();
  return step_;
}

std::string LocalCopies::describe() const {
  return fmt::format("the local copy on host {} ({})", holder_host_, found_.string());
}

Checkpoint LocalCopies::read() {
  Checkpoint checkpoint;
  if (has_copy_) checkpoint = read_checkpoint(found_);
  if (all_have_copy_) return checkpoint;
  // All ranks take part in a broadcast; those that have read the copy drop the result.
  TensorFile model = broadcast_tensors(world_, found_ / "model.safetensors", holder_);
  TensorFile state = broadcast_tensors(world_, found_ / "state.safetensors", holder_);
  if (has_copy_) return checkpoint;
  checkpoint.step = step_;
  checkpoint.model = std::move(model);
  checkpoint.state = std::move(state);
  return checkpoint;
}

std::string LocalCopies::choose_id(const std::optional<fs::path>& run) {
  if (run)
    if (std::string id = last_id(read_records(*run)); !id.empty()) return id;
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::optional<fs::path> LocalCopies::open(const std::string& run_path, std::int64_t step) {
  if (!is_on()) return std::nullopt;
  std::string name;
  if (world_.rank() == 0) {
    const nlohmann::json records = read_records(run_path);
    name = folder_name(hash_of(last_id(records), run_path), records.size());
  }
  name = world_.broadcast(name);
  if (!is_writer()) return std::nullopt;
  const fs::path all = experiment_.checkpoint.local;
  const std::string prefix = name.substr(0, name.find('-') + 1);
  try {
    if (!earlier_.empty() && obstacle_in(earlier_).empty()) {
      const std::vector<fs::path> copies = list_checkpoints(earlier_);
      const bool is_taken_over =
          !copies.empty() && checkpoint_step(copies.back()).value_or(0) <= step;
      if (is_taken_over) rename_entry(earlier_, all / name);
    }
    for (const std::string& other : entry_names(all))
      if (other.starts_with(prefix) && other != name) remove_tree(all / other);
    make_private_folder(all / name);
  } catch (const Error& error) {
    log::warn(
        "this host gets no local copies: {}; check checkpoint.local, a folder in memory or on a "
        "local disk that you can write",
        error.what());
    return std::nullopt;
  }
  folder_ = all / name;
  return folder_;
}

void LocalCopies::remove_undone(const std::vector<Rescue>& rescues) const {
  if (!folder_.empty())
    remove_checkpoints(folder_, [&](const fs::path& copy) { return is_undone(copy, rescues); });
}

void LocalCopies::remove_after(std::int64_t step) const {
  if (!folder_.empty())
    remove_checkpoints(
        folder_, [&](const fs::path& copy) { return checkpoint_step(copy).value_or(0) > step; });
}

void LocalCopies::remove() const {
  if (!folder_.empty()) remove_tree(folder_);
}

}  // namespace valley
