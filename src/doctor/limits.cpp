#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>

#include "doctor/checks.h"
#include "doctor/system_text.h"

namespace valley::doctor {
namespace {

::rlimit get_limit(__rlimit_resource resource) {
  ::rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  ::getrlimit(resource, &limit);
  return limit;
}

std::string count_text(::rlim_t value) {
  return value == RLIM_INFINITY ? "unlimited" : fmt::format("{}", value);
}

std::string size_text(::rlim_t value) {
  return value == RLIM_INFINITY ? "unlimited" : bytes_text(static_cast<double>(value));
}

double limit_value(::rlim_t value) {
  return value == RLIM_INFINITY ? -1.0 : static_cast<double>(value);
}

// Open files, measured with Open MPI 4.1: mpirun needs 32 and four per rank, and hangs with fewer;
// a single rank trained with 12 in addition to its shards.
constexpr std::size_t kLauncherFiles = 32;
constexpr std::size_t kLauncherFilesPerRank = 4;
constexpr std::size_t kRankFiles = 24;
// Threads of a rank in addition to its compute threads: those of MPI, NCCL and the loader.
constexpr std::size_t kThreadsPerRank = 64;

void check_open_files(const Notes& notes, int ranks, std::size_t shards) {
  const ::rlimit limit = get_limit(RLIMIT_NOFILE);
  const std::size_t launcher =
      ranks > 1 ? kLauncherFiles + kLauncherFilesPerRank * static_cast<std::size_t>(ranks) : 0;
  const std::size_t needed = std::max(launcher, kRankFiles + shards);
  const std::string value = count_text(limit.rlim_cur);
  const std::string consumer =
      needed == launcher ? "mpirun" : fmt::format("a rank with {} shards", shards);
  const std::string text = fmt::format("{}; {} needs {}", value, consumer, needed);
  const std::string advice =
      limit.rlim_max >= 2 * needed
          ? fmt::format("ulimit -n {}", std::min<::rlim_t>(limit.rlim_max, 65536))
          : fmt::format(
                "the hard limit is {}: root raises it in /etc/security/limits.conf (nofile)",
                count_text(limit.rlim_max));
  const Metrics metrics{{"open_files", limit_value(limit.rlim_cur)}};
  if (limit.rlim_cur < needed) {
    notes.fail(ExitCode::kConfig, "open files", text, advice, metrics);
  } else if (limit.rlim_cur < 2 * needed) {
    notes.warn("open files", text, advice, metrics);
  } else {
    notes.ok("open files", value, metrics);
  }
}

void check_processes(const Notes& notes, int ranks) {
  const ::rlimit limit = get_limit(RLIMIT_NPROC);
  const std::size_t needed = kThreadsPerRank * static_cast<std::size_t>(ranks);
  const Metrics metrics{{"processes", limit_value(limit.rlim_cur)}};
  if (limit.rlim_cur >= needed) {
    notes.ok("processes", count_text(limit.rlim_cur), metrics);
  } else {
    notes.warn("processes",
               fmt::format("{} for all processes of this user; {} ranks need up to {} with their "
                           "threads",
                           limit.rlim_cur, ranks, needed),
               "ulimit -u unlimited, or nproc in /etc/security/limits.conf", metrics);
  }
}

// Needed by network cards with direct memory access.
void check_locked_memory(const Notes& notes) {
  const ::rlimit limit = get_limit(RLIMIT_MEMLOCK);
  std::error_code ignored;
  const bool has_infiniband = std::filesystem::exists("/sys/class/infiniband", ignored) &&
                              !std::filesystem::is_empty("/sys/class/infiniband", ignored);
  const std::string value = size_text(limit.rlim_cur);
  if (has_infiniband && limit.rlim_cur != RLIM_INFINITY) {
    notes.warn("locked memory", value + ", and there is InfiniBand",
               "MPI and NCCL register buffers with the card: memlock unlimited in "
               "/etc/security/limits.conf, for Slurm's daemon too",
               {{"locked_bytes", limit_value(limit.rlim_cur)}});
  } else {
    notes.ok("locked memory", value + (has_infiniband ? "" : ", no InfiniBand that needs it"),
             {{"locked_bytes", limit_value(limit.rlim_cur)}});
  }
}

void check_stack_and_core(const Notes& notes) {
  constexpr ::rlim_t kSmallStack = ::rlim_t{1} << 20;
  const ::rlimit stack = get_limit(RLIMIT_STACK);
  const ::rlimit core = get_limit(RLIMIT_CORE);
  if (stack.rlim_cur < kSmallStack) {
    notes.warn("stack", size_text(stack.rlim_cur), "ulimit -s 8192");
  } else {
    notes.ok("stack", size_text(stack.rlim_cur));
  }
  notes.ok("core files",
           core.rlim_cur == 0 ? "none: a crash leaves no memory image" : size_text(core.rlim_cur));
}

// Ranks of one host exchange tensors through it.
void check_shared_memory(const Notes& notes, int ranks) {
  constexpr double kPerRank = 32e6;  // Open MPI's and NCCL's buffers, rounded up
  struct statvfs disk {};
  if (::statvfs("/dev/shm", &disk) != 0) {
    notes.warn(
        "/dev/shm", "not there",
        "MPI and NCCL use slower transports between the ranks of a host: mount a tmpfs there");
    return;
  }
  const double unit = static_cast<double>(disk.f_frsize);
  const double total = static_cast<double>(disk.f_blocks) * unit;
  const double free = static_cast<double>(disk.f_bavail) * unit;
  const std::string value = fmt::format("{} of {} free", bytes_text(free), bytes_text(total));
  const Metrics metrics{{"free_bytes", free}, {"total_bytes", total}};
  if (free < kPerRank * ranks) {
    notes.warn("/dev/shm", value,
               fmt::format("{} ranks may need {}: remove leftover files there, or start the "
                           "container with a larger one (docker run --shm-size=1g)",
                           ranks, bytes_text(kPerRank * ranks)),
               metrics);
  } else {
    notes.ok("/dev/shm", value, metrics);
  }
}

}  // namespace

void check_limits(const Notes& notes, int ranks, std::size_t shards) {
  check_open_files(notes, ranks, shards);
  check_processes(notes, ranks);
  check_locked_memory(notes);
  check_stack_and_core(notes);
  check_shared_memory(notes, ranks);
}

}  // namespace valley::doctor
