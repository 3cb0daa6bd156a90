#include "storage/checkpoint.h"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "storage/checkpoint_commit.h"
#include "storage/checkpoint_folder.h"
#include "storage/directory.h"
#include "storage/space.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kStateFile = "state.safetensors";
constexpr const char* kStateJson = "state.json";
constexpr std::uint64_t kOverheadBytes = 65536;     // COMMIT, directory entries, partial blocks
constexpr std::uint64_t kMaxCommitBytes = 1 << 20;  // many times the size for three files

// Directory that is removed unless it was renamed.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(fs::path path) : path_(std::move(path)) {
    remove_tree(path_);
    if (!make_directory(path_))
      throw file_error("making the directory", path_.string(), EEXIST, true);
  }
  ~TemporaryDirectory() { remove_tree(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// AtomicFile that computes its checksum.
class RecordedFile {
 public:
  explicit RecordedFile(const fs::path& path) : file_(path) {}
  void write(Bytes bytes) {
    file_.write(bytes);
    sha256_.update(bytes);
    bytes_ += bytes.size();
  }
  FileRecord commit() {
    file_.commit();
    return {bytes_, sha256_.hex()};
  }

 private:
  AtomicFile file_;
  Sha256 sha256_;
  std::uint64_t bytes_ = 0;
};

FileRecord write_tensors(const fs::path& path, const TensorFile& contents) {
  RecordedFile file(path);
  stream_safetensors(contents, [&](Bytes bytes) { file.write(bytes); });
  return file.commit();
}

FileRecord write_text(const fs::path& path, const std::string& text) {
  RecordedFile file(path);
  file.write(as_bytes(text));
  return file.commit();
}

void write_contents(const fs::path& directory, const Checkpoint& checkpoint) {
  CommitRecord record;
  record.step = checkpoint.step;
  record.files[kModelFile] = write_tensors(directory / kModelFile, checkpoint.model);
  record.files[kStateFile] = write_tensors(directory / kStateFile, checkpoint.state);
  record.files[kStateJson] = write_text(directory / kStateJson, checkpoint.state_json);
  write_file(directory / kCommitFile, format_commit(record));
}

void require_space(const fs::path& folder, const fs::path& path, std::uint64_t needed) {
  const std::optional<std::uint64_t> free = free_bytes(folder);
  if (free && *free < needed + kOverheadBytes)
    throw Error(
        ExitCode::kCannotWrite,
        "checkpoint {} needs {} bytes, but its disk has only {} bytes free; earlier "
        "checkpoints are untouched: free some space or choose another place, then run again",
        path.string(), needed + kOverheadBytes, *free);
}

// Renames the finished directory to its final name. An existing checkpoint of that step can be read
// at any moment, under its name or as .old-step-NNNNNNNN.
void place(const fs::path& temporary, const fs::path& folder, std::int64_t step) {
  const fs::path path = folder / checkpoint_name(step);
  const fs::path foreign = temporary_path(folder, step, "foreign");
  const fs::path aside = is_committed(path) ? aside_path(folder, step) : foreign;
  std::error_code ignored;
  const bool replaces = fs::exists(fs::symlink_status(path, ignored));
  if (replaces) {
    remove_tree(aside);
    rename_entry(path, aside);
    sync_directory(folder);
  }
  try {
    rename_entry(temporary, path);
  } catch (const Error&) {
    if (replaces) fs::rename(aside, path, ignored);
    throw;
  }
  sync_directory(folder);
  remove_tree(aside_path(folder, step));
  remove_tree(foreign);
}

CommitRecord read_commit(const fs::path& checkpoint) {
  const fs::path file = checkpoint / kCommitFile;
  std::error_code error;
  if (!fs::is_directory(checkpoint, error))
    throw Error(ExitCode::kMissingInput, "there is no checkpoint {}", checkpoint.string());
  const std::uint64_t bytes = fs::file_size(file, error);
  if (error)
    throw Error(ExitCode::kMissingInput,
                "{} is not a checkpoint: it has no COMMIT, so it was not completed",
                checkpoint.string());
  if (bytes > kMaxCommitBytes)
    throw Error(ExitCode::kData, "{}: damaged; use an earlier checkpoint", file.string());
  return parse_commit(read_file(file), file.string());
}

void verify_file(const fs::path& file, const FileRecord& record) {
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(file, error);
  if (error)
    throw Error(ExitCode::kData, "{}: missing, though COMMIT lists it; use an earlier checkpoint",
                file.string());
  if (bytes != record.bytes)
    throw Error(ExitCode::kData, "{}: has {} bytes where COMMIT says {}; use an earlier checkpoint",
                file.string(), bytes, record.bytes);
  if (sha256_of_file(file) != record.sha256)
    throw Error(ExitCode::kData,
                "{}: damaged, its SHA-256 is not the one in COMMIT; use an earlier checkpoint",
                file.string());
}

CommitRecord verify(const fs::path& path) {
  CommitRecord record = read_commit(path);
  for (const char* name : {kModelFile, kStateFile, kStateJson}) {
    const auto found = record.files.find(name);
    if (found == record.files.end())
      throw Error(ExitCode::kData, "{}: does not list {}", (path / kCommitFile).string(), name);
    verify_file(path / name, found->second);
  }
  return record;
}

}  // namespace

fs::path write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  VALLEY_CHECK(checkpoint.step >= 0);
  VALLEY_CHECK(try_parse_json(checkpoint.state_json).is_object());
  make_directories(folder);
  clear_leftovers(folder);

  const fs::path path = folder / checkpoint_name(checkpoint.step);
  const std::uint64_t bytes = safetensors_bytes(checkpoint.model) +
                              safetensors_bytes(checkpoint.state) + checkpoint.state_json.size();
  require_space(folder, path, bytes);
  try {
    const TemporaryDirectory temporary(
        temporary_path(folder, checkpoint.step, std::to_string(::getpid())));
    write_contents(temporary.path(), checkpoint);
    place(temporary.path(), folder, checkpoint.step);
  } catch (const Error& error) {
    throw Error(error.code(),
                "checkpoint {} of {} bytes was not written; earlier checkpoints are untouched: {}",
                path.string(), bytes, error.what());
  }
  return path;
}

void verify_checkpoint(const fs::path& path) { static_cast<void>(verify(path)); }

void verify_checkpoint_file(const fs::path& file) {
  const fs::path checkpoint = fs::absolute(file).parent_path();
  if (!is_committed(checkpoint)) return;
  const CommitRecord record = read_commit(checkpoint);
  const auto found = record.files.find(file.filename().string());
  if (found != record.files.end()) verify_file(file, found->second);
}

Checkpoint read_checkpoint(const fs::path& path) {
  Checkpoint checkpoint;
  checkpoint.step = verify(path).step;
  checkpoint.model = read_safetensors(path / kModelFile);
  checkpoint.state = read_safetensors(path / kStateFile);
  checkpoint.state_json = read_file(path / kStateJson);
  return checkpoint;
}

}  // namespace valley
