#include "doctor/doctor.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "comm/world.h"
#include "doctor/checks.h"
#include "doctor/guard.h"
#include "doctor/launch.h"
#include "doctor/rank_probe.h"

namespace valley::doctor {
namespace {

using std::chrono::seconds;

constexpr int kConnectSeconds = 120;  // for all collective work of the ranks of a job
constexpr seconds kQueryLimit{10};    // for queries of the kernel and of libraries
constexpr seconds kDeviceLimit{30};   // for drivers and disks, which may be slow to start
constexpr seconds kLaunchLimit{50};
constexpr seconds kRankZeroSeconds{5};  // for rank 0 to print the report before the job ends

double finding_value(const Checkup& checkup, const std::string& name, const std::string& of) {
  for (const Finding& f : checkup.findings) {
    if (f.name == name && f.metrics.contains(of)) return f.metrics.at(of);
  }
  return 0;
}

bool has_failed(const Checkup& checkup, const std::string& name) {
  return std::any_of(checkup.findings.begin(), checkup.findings.end(), [&](const Finding& f) {
    return f.name == name && f.status == Status::kFailure;
  });
}

int ranks_for(const DoctorRequest& request, const Checkup& checkup) {
  if (request.ranks > 0) return request.ranks;
  const int gpus = static_cast<int>(finding_value(checkup, "driver", "gpus"));
  return gpus > 0 ? gpus : 2;
}

// All checks of one host.
void check_host(const DoctorRequest& request, int ranks_here, bool measure, Checkup& checkup) {
  run_guarded("program", kQueryLimit, ExitCode::kInternal, check_libraries, checkup);
  if (!request.quick)
    run_guarded("images", kQueryLimit, ExitCode::kInternal, check_images, checkup);
  run_guarded("gpus", kDeviceLimit, ExitCode::kInternal, check_gpus, checkup);
  if (!request.data.empty()) {
    run_guarded(
        "data", kDeviceLimit, ExitCode::kIo,
        [&](const Notes& notes) { check_data(notes, request.data); }, checkup);
  }
  const int ranks = ranks_here > 0 ? ranks_here : ranks_for(request, checkup);
  const auto shards = static_cast<std::size_t>(finding_value(checkup, "data", "shards"));
  run_guarded(
      "machine", kQueryLimit, ExitCode::kInternal,
      [&](const Notes& notes) {
        check_machine(notes, ranks);
        check_threads(notes, ranks);
      },
      checkup);
  run_guarded(
      "limits", kQueryLimit, ExitCode::kInternal,
      [&](const Notes& notes) { check_limits(notes, ranks, shards); }, checkup);
  if (!request.quick) run_guarded("slurm", kQueryLimit, ExitCode::kInternal, check_slurm, checkup);

  const auto resolution = static_cast<std::int64_t>(finding_value(checkup, "data", "height"));
  const OutRequest out{request.out, resolution, measure && !request.quick,
                       probe_file_in(request.out)};
  const bool answered = run_guarded(
      "storage", kDeviceLimit, ExitCode::kIo, [&](const Notes& notes) { check_out(notes, out); },
      checkup);
  std::error_code ignored;
  if (answered) {  // files of a check that crashed
    for (const char* end : {"", ".new"})
      std::filesystem::remove(out.probe_file.string() + end, ignored);
  }
}

Report make_report(Checkup checkup, int ranks, bool on_gpus) {
  sort_findings(checkup);
  return {host_name(), ranks, on_gpus, std::move(checkup)};
}

ExitCode examine_alone(const DoctorRequest& request, const Show& show) {
  Checkup checkup;
  check_host(request, 0, true, checkup);
  int ranks = ranks_for(request, checkup);
  if (ranks > 1 && has_failed(checkup, "open files")) {
    ranks = 1;  // mpirun would hang
  } else if (ranks > 1 && !request.quick) {
    run_guarded(
        "ranks", kLaunchLimit, ExitCode::kRankLost,
        [&](const Notes& notes) { check_launch(notes, ranks, request.ranks > 0); }, checkup);
    ranks = std::max(1, static_cast<int>(finding_value(checkup, "ranks", "ranks")));
  }
  const bool on_gpus = finding_value(checkup, "driver", "gpus") > 0;
  const Report report = make_report(std::move(checkup), ranks, on_gpus);
  show(report);
  return exit_code(report.checkup);
}

// Checks that all hosts see a file that rank 0 writes, since any of them may resume a run.
void check_shared_out(World& world, const std::filesystem::path& out, Checkup& checkup) {
  const std::filesystem::path file = probe_file_in(out);
  const bool writes = world.rank() == 0;
  bool written = false;
  if (writes) {
    std::FILE* const stream = std::fopen(file.c_str(), "wx");
    written = stream != nullptr;
    if (written) std::fclose(stream);
  }
  const std::string named = world.broadcast(written ? file.string() : "");
  bool seen = named.empty();
  std::error_code ignored;
  for (int attempt = 0; attempt < 20 && !seen; ++attempt) {
    seen = std::filesystem::exists(named, ignored);
    if (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  std::set<std::string> hosts_without;
  for (const std::string& host : world.gather(seen ? "" : host_name())) {
    if (!host.empty()) hosts_without.insert(host);
  }
  if (written) std::filesystem::remove(file, ignored);
  if (hosts_without.empty()) return;
  const Notes notes("storage", [&](const std::string& line) { add_line(checkup, line); });
  notes.fail(ExitCode::kConfig, "out",
             fmt::format("{} is another folder on {}", out.string(), *hosts_without.begin()),
             "use an --out on a file system that all hosts share");
}

// Adds warnings and failures of the other hosts. Results without problems are listed once.
void add_other_hosts(World& world, Checkup& checkup) {
  const std::string mine = host_name();
  std::set<std::string> known{mine};
  const std::vector<std::string> hosts = world.gather(mine);
  const std::vector<std::string> texts = world.gather(to_lines(checkup));
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    if (texts[rank].empty() || !known.insert(hosts[rank]).second) continue;
    Checkup other;
    add_lines(other, texts[rank]);
    for (Finding& f : other.findings) {
      if (f.status == Status::kOk) continue;
      f.host = hosts[rank];
      checkup.findings.push_back(std::move(f));
    }
  }
}

[[noreturn]] void end_without_connection(const Report& report, bool prints, const Show& show) {
  if (prints) {
    show(report);
  } else {
    std::this_thread::sleep_for(kRankZeroSeconds);
  }
  abort_job(static_cast<int>(exit_code(report.checkup)));
}

// Connects the ranks and adds their collective findings.
Report connect(const DoctorRequest& request, const LaunchContext& started, Checkup checkup) {
  const auto world = World::join(DeviceChoice::kAuto);
  if (world->size() == 1 && (started.info.size > 1 || !started.info.launched)) {
    throw Error(
        ExitCode::kConfig,
        "{} started this process, but this build finds no other rank; use the mpirun of the "
        "MPI that it was built with",
        started.name);
  }
  const std::string line = probe_ranks(*world);
  const bool on_gpus = world->device().device().is_cuda();
  add_other_hosts(*world, checkup);
  check_shared_out(*world, request.out, checkup);
  const Notes notes("ranks", [&](const std::string& text) { add_line(checkup, text); });
  judge_ranks(line, started.info.size, started.name, notes);
  Report report = make_report(std::move(checkup), world->size(), on_gpus);
  // All ranks return the exit code of the combined report.
  const std::string agreed = world->broadcast(to_lines(report.checkup));
  report.checkup = {};
  add_lines(report.checkup, agreed);
  return report;
}

ExitCode examine_together(const DoctorRequest& request, const LaunchContext& started,
                          const Show& show) {
  Checkup checkup;
  if (started.leads_host) check_host(request, started.local_size, started.is_first, checkup);
  const auto failed = [&](ExitCode code, const std::string& what, const std::string& advice) {
    Checkup all = checkup;
    const Notes notes("ranks", [&](const std::string& line) { add_line(all, line); });
    notes.fail(code, "ranks", what, advice);
    end_without_connection(make_report(std::move(all), 1, false), started.is_first, show);
  };
  Report report;
  try {
    with_deadline(
        kConnectSeconds,
        [&] {
          failed(ExitCode::kRankLost,
                 fmt::format("did not all answer within {} s", kConnectSeconds),
                 "a rank hangs, or the network between the hosts is blocked");
        },
        [&] { report = connect(request, started, checkup); });
  } catch (const Error& error) {
    failed(error.code(), error.what(), "");
  }
  if (started.is_first) show(report);
  return exit_code(report.checkup);
}

}  // namespace

ExitCode examine(const DoctorRequest& request, const Show& show) {
  const LaunchContext started = detect_launch();
  return started.by_launcher ? examine_together(request, started, show)
                             : examine_alone(request, show);
}

void answer_probe() {
  const auto world = World::join(DeviceChoice::kAuto);
  const std::string line = probe_ranks(*world);
  if (world->rank() == 0) fmt::print("{}\n", line);
}

}  // namespace valley::doctor
