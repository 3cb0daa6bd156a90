#include "doctor/launch.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

#include "comm/host_gpus.h"
#include "comm/mpi_session.h"
#include "core/error.h"
#include "core/start_threads.h"
#include "doctor/command.h"
#include "doctor/program.h"
#include "doctor/rank_probe.h"
#include "doctor/version_rules.h"

namespace valley::doctor {
namespace {

constexpr std::chrono::seconds kVersionLimit{5};

struct Launcher {
  std::string path;
  std::string name;     // "mpirun" or "srun"
  std::string version;  // "4.1.4"; "" if it is not Open MPI
};

std::optional<Launcher> find_launcher() {
  for (const char* name : {"mpirun", "mpiexec"}) {
    if (const auto path = find_program(name)) return Launcher{path->string(), name, ""};
  }
  const auto srun = find_program("srun");
  if (srun && std::getenv("SLURM_JOB_ID") != nullptr) return Launcher{srun->string(), "srun", ""};
  return std::nullopt;
}

// Checks the version of the launcher; false if the launcher does not run.
bool judge_launcher(Launcher& launcher, const Notes& notes) {
  const CommandResult result = run_command({launcher.path, "--version"}, {}, kVersionLimit);
  const std::string first = first_text_line(result.out);
  if (!result.succeeded()) {
    const std::string why = result.timed_out
                                ? fmt::format("no answer within {} s", kVersionLimit.count())
                                : first_text_line(result.err + result.out);
    notes.fail(ExitCode::kRankLost, launcher.name, fmt::format("{}: {}", launcher.path, why),
               "repair or reinstall MPI, or put another mpirun first on the PATH");
    return false;
  }
  if (first.find("Open MPI") == std::string::npos && first.find("OpenRTE") == std::string::npos) {
    notes.ok(launcher.name, fmt::format("{}: {}", launcher.path, first));
    return true;
  }
  launcher.version = first.substr(std::min(first.find_first_of("0123456789"), first.size()));
  notes.version("mpirun", launcher.version);
  const std::string loaded = MpiSession::library();
  if (agreement(launcher.version, loaded, 1) == Agreement::kDifferent) {
    notes.warn(launcher.name,
               fmt::format("{}: {}, but the program uses {}", launcher.path, first, loaded),
               "ranks may not find each other: put the mpirun of the same MPI first on the PATH");
  } else {
    notes.ok(launcher.name, fmt::format("Open MPI {}, {}", launcher.version, launcher.path));
  }
  return true;
}

bool is_root() { return ::geteuid() == 0; }

void warn_root(const Launcher& launcher, const Notes& notes) {
  if (!is_root() || launcher.name == "srun" || launcher.version.empty() ||
      std::getenv("OMPI_ALLOW_RUN_AS_ROOT") != nullptr)
    return;
  notes.warn("root", "mpirun does not run as root by default",
             "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
}

CommandResult start_ranks(const Launcher& launcher, int ranks) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> words{launcher.path, "-n", std::to_string(ranks)};
  if (launcher.name == "srun") words.emplace_back("--mpi=pmix");
  // Allow more ranks than cores: slow, but valid.
  if (!launcher.version.empty()) words.emplace_back("--oversubscribe");
  words.insert(words.end(), {self, "doctor", "--probe-ranks"});
  std::map<std::string, std::string> environment;
  if (is_root())
    environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}};
  return run_command(words, environment, rank_start_limit());
}

std::string report_in(const std::string& out) {
  std::istringstream in(out);
  for (std::string line; std::getline(in, line);) {
    if (is_rank_report(line)) return line;
  }
  return "";
}

// The error of a failed launch: the first error of a rank, or else the first line of the launcher.
std::string reason(const CommandResult& result) {
  std::istringstream in(result.err);
  for (std::string line; std::getline(in, line);) {
    const std::size_t error = line.find("error: ");
    if (error != std::string::npos) return line.substr(error + 7);
  }
  const std::string words = first_text_line(result.err + result.out);
  return words.empty() ? fmt::format("it ended with exit code {} and no message", result.exit_code)
                       : words;
}

int variable_as_int(const Environment& variable, const char* name, int otherwise) {
  const char* text = variable(name);
  return text == nullptr || *text == '\0' ? otherwise : std::atoi(text);
}

}  // namespace

std::chrono::seconds rank_start_limit(const std::filesystem::path& devices) {
  return std::chrono::seconds(host_offers_gpus(devices) ? 240 : 30);
}

void check_launch(const Notes& notes, int ranks, bool requested) {
  auto launcher = find_launcher();
  if (!launcher) {
    const std::string built = this_program().mpiexec;
    const std::string hint =
        ::access(built.c_str(), X_OK) == 0
            ? fmt::format("add {} to it", std::filesystem::path(built).parent_path().string())
            : "install Open MPI (apt-get install openmpi-bin), or load its module";
    if (requested) {
      notes.fail(ExitCode::kMissingInput, "mpirun",
                 fmt::format("not on the PATH, but {} ranks were requested", ranks), hint);
    } else {
      notes.warn("mpirun", "not on the PATH: one rank only", hint);
    }
    return;
  }
  if (!judge_launcher(*launcher, notes)) return;
  warn_root(*launcher, notes);
  const CommandResult result = start_ranks(*launcher, ranks);
  const std::string report = report_in(result.out);
  if (result.succeeded() && !report.empty()) {
    judge_ranks(report, ranks, launcher->name, notes);
    return;
  }
  const std::string why = result.timed_out
                              ? fmt::format(
                                    "no answer within {} s: they do not find each other, or the "
                                    "host is overloaded",
                                    rank_start_limit().count())
                              : reason(result);
  const bool known = result.exit_code == static_cast<int>(ExitCode::kConfig);
  notes.fail(known ? ExitCode::kConfig : ExitCode::kRankLost, "ranks",
             fmt::format("{} ranks were started: {}", ranks, why),
             fmt::format("for the full output: {} -n {} valley doctor", launcher->name, ranks));
}

LaunchContext detect_launch(const Environment& variable) {
  LaunchContext started;
  started.info = launch_info(variable);
  started.by_launcher = started.info.launched;
  int rank = started.info.rank;
  const bool by_slurm = variable("OMPI_COMM_WORLD_RANK") == nullptr &&
                        variable_as_int(variable, "SLURM_STEP_NUM_TASKS", 0) > 1;
  if (by_slurm) {
    started.name = "srun";
    started.by_launcher = true;
    rank = variable_as_int(variable, "SLURM_PROCID", rank);
  } else if (!started.by_launcher && variable_as_int(variable, "PALS_RANKID", -1) >= 0) {
    started.name = "mpiexec of Cray PALS";
    started.by_launcher = true;
    rank = variable_as_int(variable, "PALS_RANKID", 0);
  }
  started.is_first = rank == 0;
  started.local_size = started.info.size;
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"})
    started.local_size = variable_as_int(variable, name, started.local_size);
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}) {
    if (variable(name) == nullptr) continue;
    if (started.by_launcher) started.leads_host = variable_as_int(variable, name, 0) == 0;
    break;
  }
  return started;
}

LaunchContext detect_launch() {
  return detect_launch([](const char* name) { return std::getenv(name); });
}

void with_deadline(int seconds, const std::function<void()>& late,
                   const std::function<void()>& action) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::thread watch = start_thread("deadlines", [&] {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, std::chrono::seconds(seconds), [&] { return done; })) late();
  });
  const auto finish = [&] {
    {
      const std::scoped_lock lock(mutex);
      done = true;
    }
    changed.notify_one();
    watch.join();
  };
  try {
    action();
  } catch (...) {
    finish();
    throw;
  }
  finish();
}

}  // namespace valley::doctor
