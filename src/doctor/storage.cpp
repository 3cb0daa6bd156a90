#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "comm/world.h"
#include "core/atomic_file.h"
#include "core/read_file.h"
#include "doctor/checkpoint_size.h"
#include "doctor/checks.h"
#include "doctor/storage_probe.h"
#include "doctor/system_text.h"
#include "storage/descriptor.h"

namespace valley::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMinFreeBytes = 4U << 20;  // too little for a checkpoint of any model
constexpr std::uint64_t kMinInodes = 1000;         // a run creates a few files per checkpoint
constexpr double kSlowWriteMb = 30;                // MB/s; the largest checkpoint then takes 15 s

// Consequence of a file system's type for runs; "" if there is none.
std::string describe_type(const std::string& type) {
  static const std::map<std::string, std::string> meanings{
      {"tmpfs", "in memory: lost at a restart, and counts as used memory"},
      {"ramfs", "in memory: lost at a restart, and counts as used memory"},
      {"overlay", "a layer of the container: lost with the container"},
      {"nfs", "over the network"},
      {"nfs4", "over the network"},
      {"lustre", "parallel, over the network"},
      {"gpfs", "parallel, over the network"},
      {"beegfs", "parallel, over the network"},
      {"ceph", "parallel, over the network"},
      {"9p", "a host's folder, shown to a virtual machine"},
      {"virtiofs", "a host's folder, shown to a virtual machine"},
      {"fuse.sshfs", "over ssh"},
  };
  const auto found = meanings.find(type);
  return found == meanings.end() ? "" : found->second;
}

void check_file_system(const Notes& notes, const fs::path& folder) {
  std::error_code error;
  // A link in /proc may lead to files of another container, whose mounts are unknown here.
  if (fs::canonical(folder, error) != folder) return;
  const auto mount =
      find_mount(folder.string(), read_system_file("/proc/self/mountinfo").value_or(""));
  if (!mount) return;
  const std::string meaning = describe_type(mount->type);
  const std::string value =
      fmt::format("{} at {}{}{}", mount->type, mount->point, meaning.empty() ? "" : ", ", meaning);
  const bool is_lost = mount->type == "tmpfs" || mount->type == "ramfs" || mount->type == "overlay";
  if (is_lost) {
    notes.warn("file system", value, "for permanent runs set --out to a folder on a disk");
  } else {
    notes.ok("file system", value);
  }
}

struct Space {
  std::uint64_t free = 0;  // bytes, for this user
  bool counts_inodes = false;
  std::uint64_t inodes = 0;
};

Space query_space(const fs::path& folder) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0)
    throw file_error("asking for the free space of", folder.string(), errno, true);
  return {std::uint64_t{disk.f_bavail} * disk.f_frsize, disk.f_files > 0, disk.f_favail};
}

// Adds a finding about free space. False if there is too little to continue.
bool check_space(const Notes& notes, const fs::path& folder, const Space& space,
                 std::int64_t resolution) {
  const CheckpointSize size = default_checkpoint_size(resolution);
  const std::string free = bytes_text(static_cast<double>(space.free)) + " free";
  const std::string need = fmt::format(
      "a checkpoint of the default model at {0}x{0} takes {1}; {2} kept ones and one being "
      "written take {3}",
      size.resolution, bytes_text(static_cast<double>(size.bytes)), size.kept,
      bytes_text(static_cast<double>(size.max_total_bytes())));
  Metrics metrics{{"free_bytes", static_cast<double>(space.free)},
                  {"checkpoint_bytes", static_cast<double>(size.bytes)}};
  if (space.counts_inodes) metrics["free_inodes"] = static_cast<double>(space.inodes);
  if (space.free < kMinFreeBytes || (space.counts_inodes && space.inodes == 0)) {
    const std::string what = space.free < kMinFreeBytes ? free : "no inodes (files) left";
    notes.fail(ExitCode::kCannotWrite, "space", fmt::format("{} in {}", what, folder.string()),
               "no checkpoint fits: free some space, or choose another --out", metrics);
    return false;
  }
  if (space.free < size.max_total_bytes()) {
    notes.warn("space", free, need + ": free some space, or set checkpoint.keep", metrics);
  } else if (space.counts_inodes && space.inodes < kMinInodes) {
    notes.warn("space", fmt::format("{}, but only {} inodes (files)", free, space.inodes),
               "remove files that are not needed", metrics);
  } else {
    notes.ok("space", fmt::format("{}; {}", free, need), metrics);
  }
  return true;
}

// A rename over an existing file must leave one complete file: checkpoints depend on it.
void check_rename(const Notes& notes, const fs::path& file) {
  const fs::path other = file.string() + ".new";
  write_file(file, "old");
  write_file(other, "new");
  const bool renamed = ::rename(other.c_str(), file.c_str()) == 0;
  const std::string why = std::strerror(errno);
  const bool is_whole = renamed && read_file(file) == "new" && !fs::exists(other);
  ::unlink(file.c_str());
  ::unlink(other.c_str());
  if (is_whole) {
    notes.ok("renames", "replace a file atomically, and are flushed");
  } else {
    notes.fail(ExitCode::kCannotWrite, "renames", renamed ? "do not leave the new file" : why,
               "checkpoints need them: choose another --out");
  }
}

// File locks, which keep a second job out of a run.
void check_lock(const Notes& notes, const fs::path& file) {
  const Descriptor first(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const Descriptor second(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  ::unlink(file.c_str());
  const bool locked = first && ::flock(first.get(), LOCK_EX | LOCK_NB) == 0;
  const std::string why = std::strerror(errno);
  const bool excluded = locked && second && ::flock(second.get(), LOCK_EX | LOCK_NB) != 0;
  const std::string advice = "never start two jobs on one run: the second one is not stopped";
  if (excluded) {
    notes.ok("locks", "keep a second job out of a run");
  } else if (locked) {
    notes.warn("locks", "are granted to two processes at once", advice);
  } else {
    notes.warn("locks", "not on this file system: " + why, advice);
  }
}

void check_write_speed(const Notes& notes, const fs::path& file, const Space& space) {
  const StorageSpeed speed = measure_storage(file, space.free);
  const std::string value =
      fmt::format("writes {:.0f} MB/s with flush, reads {:.0f} MB/s{}", speed.write_mb_per_s,
                  speed.read_mb_per_s, speed.read_from_disk ? "" : " (from memory)");
  const Metrics metrics{{"write_mb_per_s", speed.write_mb_per_s},
                        {"read_mb_per_s", speed.read_mb_per_s}};
  if (speed.write_mb_per_s < kSlowWriteMb) {
    notes.warn("speed", value, "checkpoints are slow: write them less often (checkpoint.every)",
               metrics);
  } else {
    notes.ok("speed", value, metrics);
  }
}

// Checks that files can be created. A failure names the folder and the user.
bool check_permission(const Notes& notes, const OutRequest& request, const fs::path& folder) {
  std::error_code ignored;
  const std::string text = fs::exists(request.out, ignored)
                               ? folder.string()
                               : fmt::format("{} does not exist yet and would be created in {}",
                                             request.out.string(), folder.string());
  if (!fs::is_directory(folder, ignored)) {
    notes.fail(ExitCode::kCannotWrite, "out", folder.string() + " is not a folder",
               "choose another --out");
    return false;
  }
  const Descriptor file(
      ::open(request.probe_file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const int error = errno;
  if (file) {
    ::unlink(request.probe_file.c_str());
    notes.ok("out", text);
    return true;
  }
  const Error why = file_error("creating a file in", folder.string(), error, true);
  notes.fail(why.code(), "out", fmt::format("{} (user id {})", why.what(), ::geteuid()),
             "choose another --out, or change the folder's owner or permissions");
  return false;
}

}  // namespace

fs::path existing_folder(const fs::path& out) {
  std::error_code error;
  fs::path folder = fs::absolute(out, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::path real = fs::canonical(folder, error);
  return !error && fs::equivalent(real, folder, error) ? real : folder;
}

fs::path probe_file_in(const fs::path& out) {
  return existing_folder(out) / fmt::format(".valley-doctor-{}-{}", host_name(), ::getpid());
}

void check_out(const Notes& notes, const OutRequest& request) {
  const fs::path folder = existing_folder(request.out);
  const bool can_write = check_permission(notes, request, folder);
  check_file_system(notes, folder);
  if (!can_write) return;
  const Space space = query_space(folder);
  if (!check_space(notes, folder, space, request.resolution)) return;
  check_rename(notes, request.probe_file);
  check_lock(notes, request.probe_file);
  if (request.measure) check_write_speed(notes, request.probe_file, space);
}

}  // namespace valley::doctor
