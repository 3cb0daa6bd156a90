#include "doctor/rank_probe.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/remainder.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

#include "comm/mpi_session.h"
#include "core/json_text.h"
#include "doctor/system_text.h"
#include "kernels/device.h"

namespace valley::doctor {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kSmall = 4096;      // bytes: latency
constexpr std::int64_t kLarge = 16 << 20;  // bytes: bandwidth
constexpr double kSeconds = 0.25;          // per size
constexpr std::int64_t kMaxRepeats = 200;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// Element i of rank r is i mod 7 + r. The sum over all ranks is a small integer, exact in float and
// known in advance.
at::Tensor pattern(std::int64_t bytes, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  return at::remainder(at::arange(bytes / std::int64_t{sizeof(float)}, options), 7);
}

bool sums_exactly(Communicator& comm, const at::Tensor& base) {
  at::Tensor mine = base + comm.rank();
  comm.all_reduce(mine, ReduceOp::kSum)->wait();
  const double n = comm.size();
  return at::equal(mine, base * n + n * (n - 1) / 2);
}

double time_all_reduce(Communicator& comm, const at::Tensor& tensor, std::int64_t repeats) {
  comm.barrier();
  synchronize(comm.device());
  const Clock::time_point start = Clock::now();
  for (std::int64_t i = 0; i < repeats; ++i) comm.all_reduce(tensor, ReduceOp::kMax)->wait();
  synchronize(comm.device());
  return microseconds_since(start) / static_cast<double>(repeats);
}

// All ranks must use the same number of repetitions, which rank 0 chooses.
std::int64_t repeats_for(World& world, double microseconds) {
  const double count = kSeconds * 1e6 / std::max(1.0, microseconds);
  const auto mine = std::clamp<std::int64_t>(static_cast<std::int64_t>(count), 2, kMaxRepeats);
  return std::stoll(world.broadcast(std::to_string(mine)));
}

json measure(World& world, Communicator& comm, std::int64_t bytes) {
  const at::Tensor base = pattern(bytes, comm.device());
  const bool exact = sums_exactly(comm, base);
  const double once = time_all_reduce(comm, base, 2);
  const double microseconds = time_all_reduce(comm, base, repeats_for(world, once));
  const double n = comm.size();
  // Bus bandwidth as in nccl-tests: traffic over the link of each rank.
  const double bus = static_cast<double>(bytes) / microseconds * 2 * (n - 1) / n;
  return {{"over", comm.name()},
          {"bytes", bytes},
          {"exact", exact},
          {"microseconds", microseconds},
          {"bus_mb_per_s", bus}};
}

json describe_this_rank(Communicator& comm) {
  std::string cpus = "unknown";
  std::istringstream in(read_system_file("/proc/self/status").value_or(""));
  for (std::string line; std::getline(in, line);) {
    const std::string name = "Cpus_allowed_list:\t";
    if (line.starts_with(name)) cpus = line.substr(name.size());
  }
  ::timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::vector<int> online =
      parse_cpu_list(read_system_file("/sys/devices/system/cpu/online").value_or("0"));
  return {{"host", host_name()},
          {"cpus", cpus},
          {"online", online.size()},
          {"threads", threads_for_rank(comm.local_size())},
          {"clock", static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9}};
}

std::string time_text(double microseconds) {
  if (microseconds >= 1000) return fmt::format("{:.1f} ms", microseconds / 1000);
  return fmt::format("{:.{}f} us", microseconds, microseconds < 10 ? 1 : 0);
}

std::string rate_text(double mb_per_s) {
  return mb_per_s < 1000 ? fmt::format("{:.0f} MB/s", mb_per_s)
                         : fmt::format("{:.1f} GB/s", mb_per_s / 1000);
}

void judge_sums(const json& report, const Notes& notes) {
  std::map<std::string, std::vector<json>> by_backend;
  for (const json& one : report.at("all_reduce")) by_backend[one.at("over")].push_back(one);
  for (const auto& [backend, sizes] : by_backend) {
    std::string value;
    Metrics metrics;
    bool exact = true;
    for (const json& one : sizes) {
      const auto bytes = one.at("bytes").get<double>();
      value += fmt::format("{}{} in {}", value.empty() ? "" : ", ",
                           bytes == kSmall ? "4 KB" : "16 MB", time_text(one.at("microseconds")));
      const std::string size = bytes == kSmall ? "4kb" : "16mb";
      metrics["us_" + size] = one.at("microseconds");
      metrics["bus_mb_per_s_" + size] = one.at("bus_mb_per_s");
      exact = exact && one.at("exact").get<bool>();
      if (bytes == kLarge)
        value += fmt::format(" ({} of bus bandwidth)", rate_text(one.at("bus_mb_per_s")));
    }
    const std::string name = (backend == "nccl" ? "NCCL" : "MPI") + std::string(" all-reduce");
    if (exact) {
      notes.ok(name, value, metrics);
    } else {
      notes.fail(ExitCode::kRankLost, name, "a sum over all ranks is wrong",
                 "do not train here: check the network, its driver and the MPI build", metrics);
    }
  }
}

void judge_clocks(const json& places, const Notes& notes) {
  constexpr double kSkew = 2;  // seconds
  double lowest = places.front().at("clock");
  double highest = lowest;
  for (const json& place : places) {
    lowest = std::min(lowest, place.at("clock").get<double>());
    highest = std::max(highest, place.at("clock").get<double>());
  }
  if (highest - lowest > kSkew)
    notes.warn("clocks", fmt::format("the hosts differ by {:.0f} s", highest - lowest),
               "synchronize them (NTP): times in logs and file systems are wrong");
}

void judge_binding(const json& places, const std::string& launcher, const Notes& notes) {
  std::map<std::string, int> owners;  // host and CPUs -> ranks
  std::map<std::string, int> ranks_on;
  for (const json& place : places) {
    const std::string host = place.at("host");
    ++ranks_on[host];
    ++owners[host + " " + place.at("cpus").get<std::string>()];
  }
  const json& first = places.front();
  const std::string cpus = first.at("cpus");
  const std::string host = first.at("host");
  const auto online = first.at("online").get<std::size_t>();
  const std::size_t bound = parse_cpu_list(cpus).size();
  const auto here = static_cast<std::size_t>(ranks_on[host]);
  if (bound >= online) {
    notes.ok("binding", fmt::format("none: each rank takes {} of {} CPUs",
                                    first.at("threads").get<int>(), online));
    return;
  }
  const std::string value = fmt::format("{} of {} CPUs per rank (rank 0: {})", bound, online, cpus);
  if (owners[host + " " + cpus] > 1 && bound < here) {
    notes.warn("binding", value + ", shared by several ranks",
               "ranks wait for each other: start fewer ranks, or use mpirun --bind-to none");
  } else if (bound * here * 2 <= online) {
    notes.warn("binding", value + ", the others stay idle",
               launcher == "srun"
                   ? fmt::format("srun --cpus-per-task={}", online / here)
                   : fmt::format("mpirun --map-by slot:pe={}, or --bind-to none", online / here));
  } else {
    notes.ok("binding", value);
  }
}

}  // namespace

std::string probe_ranks(World& world) {
  json places = json::array();
  world.host().barrier();  // so that the clocks are read together
  for (const std::string& text : world.gather(write_json(describe_this_rank(world.host()))))
    places.push_back(parse_json(text, "the report of a rank"));
  json sums = json::array();
  for (const std::int64_t bytes : {kSmall, kLarge}) {
    sums.push_back(measure(world, world.host(), bytes));
    if (world.device().device().is_cuda()) sums.push_back(measure(world, world.device(), bytes));
  }
  const json report = {{"ranks", world.size()},
                       {"mpi", MpiSession::library()},
                       {"gpus", world.device().device().is_cuda()},
                       {"places", places},
                       {"all_reduce", sums}};
  return write_json(json({{"valley_ranks", report}}));
}

bool is_rank_report(const std::string& line) { return line.starts_with("{\"valley_ranks\":"); }

void judge_ranks(const std::string& line, int expected, const std::string& launcher,
                 const Notes& notes) {
  const json report = parse_json(line, "the report of the ranks").at("valley_ranks");
  const int ranks = report.at("ranks");
  if (ranks != expected) {
    notes.fail(ExitCode::kConfig, "ranks",
               fmt::format("{} started {} of them, {} finds {}", launcher, expected,
                           report.at("mpi").get<std::string>(), ranks),
               "launch with the mpirun of the same MPI, or with srun --mpi=pmix");
    return;
  }
  std::map<std::string, int> hosts;
  for (const json& place : report.at("places")) ++hosts[place.at("host")];
  std::string where;
  for (const auto& [host, n] : hosts)
    where += fmt::format("{}{} on {}", where.empty() ? "" : ", ", n, host);
  notes.ok("ranks", fmt::format("{} found each other: {}", ranks, where),
           {{"ranks", ranks}, {"hosts", static_cast<double>(hosts.size())}});
  judge_sums(report, notes);
  judge_binding(report.at("places"), launcher, notes);
  judge_clocks(report.at("places"), notes);
}

}  // namespace valley::doctor
