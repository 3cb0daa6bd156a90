#include <ATen/Version.h>
#include <netdb.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "comm/world.h"
#include "core/text.h"
#include "doctor/checks.h"
#include "doctor/system_text.h"
#include "kernels/device.h"

namespace valley::doctor {
namespace {

constexpr double kGigabyte = 1e9;

// Physical cores of the host, from the sibling lists of all CPUs; 0 if the kernel hides them.
std::size_t count_cores() {
  std::set<std::string> cores;
  const auto online = read_system_file("/sys/devices/system/cpu/online");
  for (const int cpu : parse_cpu_list(online.value_or(""))) {
    const auto siblings = read_system_file(
        fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    if (siblings) cores.insert(*siblings);
  }
  return cores.size();
}

void check_cpu(const Notes& notes) {
  const std::string cpuinfo = read_system_file("/proc/cpuinfo").value_or("");
  const auto threads = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const std::size_t cores = count_cores();
  const std::size_t nodes =
      parse_cpu_list(read_system_file("/sys/devices/system/node/online").value_or("0")).size();
  const std::string model = cpu_model(cpuinfo);
  notes.ok("CPU",
           fmt::format("{}{}, {}, {}", model.empty() ? "" : model + ", ",
                       plural(cores == 0 ? threads : cores, "core"), plural(threads, "thread"),
                       plural(nodes, "NUMA node")),
           {{"cores", static_cast<double>(cores)},
            {"threads", static_cast<double>(threads)},
            {"numa_nodes", static_cast<double>(nodes)}});

  const std::set<std::string> flags = cpu_flags(cpuinfo);
  constexpr std::array<std::pair<const char*, const char*>, 6> kWanted{
      {{"avx2", "AVX2"},
       {"avx512f", "AVX-512"},
       {"avx512_bf16", "AVX-512 bf16"},
       {"amx_tile", "AMX"},
       {"asimd", "NEON"},
       {"sve", "SVE"}}};
  std::string has;
  for (const auto& [flag, name] : kWanted) {
    if (flags.contains(flag)) has += fmt::format("{}{}", has.empty() ? "" : ", ", name);
  }
  const std::string used = at::get_cpu_capability();
  if (used == "DEFAULT" && !flags.contains("asimd")) {
    notes.warn("vector units", has.empty() ? "no AVX2" : has + ", but LibTorch uses none",
               "training on this CPU is several times slower; see ATEN_CPU_CAPABILITY");
  } else {
    notes.ok("vector units", fmt::format("{}; LibTorch uses {}", has, used));
  }
}

void check_allowed_cpus(const Notes& notes, int ranks) {
  const int share = threads_for_rank(ranks);
  const auto limits =
      cgroup_limits(read_system_file("/proc/self/cgroup").value_or(""), read_system_file);
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed =
      ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : share * ranks;
  Metrics metrics{{"allowed_cpus", allowed}};
  if (limits.cpus) metrics["cpu_quota"] = *limits.cpus;
  if (limits.cpus && *limits.cpus < allowed) {
    notes.warn("CPU quota", fmt::format("{:.1f} of {} CPUs' time", *limits.cpus, allowed),
               fmt::format("more threads than that are throttled: set train.threads={}",
                           std::max(1, static_cast<int>(*limits.cpus) / ranks)),
               metrics);
  } else {
    notes.ok("CPUs allowed", fmt::format("{}, no quota", allowed), metrics);
  }
}

// Load of other programs, which slows down these measurements and training.
void check_load(const Notes& notes) {
  std::array<double, 1> load{};
  if (::getloadavg(load.data(), 1) != 1) return;
  const auto cpus = static_cast<double>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const std::string value = fmt::format("{:.1f} in the last minute", load[0]);
  if (load[0] > cpus + 1) {
    notes.warn("load", fmt::format("{}, on {:.0f} CPUs", value, cpus),
               "other programs use the CPUs: measurements here and training are slower",
               {{"load", load[0]}});
  } else {
    notes.ok("load", value, {{"load", load[0]}});
  }
}

void check_memory(const Notes& notes) {
  std::map<std::string, double> meminfo;  // bytes
  std::istringstream in(read_system_file("/proc/meminfo").value_or(""));
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    double kibibytes = 0;
    words >> name >> kibibytes;
    meminfo[name] = kibibytes * 1024;
  }
  const double available = meminfo["MemAvailable:"];
  const auto limits =
      cgroup_limits(read_system_file("/proc/self/cgroup").value_or(""), read_system_file);
  Metrics metrics{{"total_bytes", meminfo["MemTotal:"]}, {"available_bytes", available}};
  std::string value =
      fmt::format("{} of {} available", bytes_text(available), bytes_text(meminfo["MemTotal:"]));
  double usable = available;
  if (limits.memory && static_cast<double>(*limits.memory) < meminfo["MemTotal:"]) {
    const auto limit = static_cast<double>(*limits.memory);
    metrics["limit_bytes"] = limit;
    value += fmt::format(", limited to {} by the control group", bytes_text(limit));
    usable = std::min(usable, limit);
  }
  if (usable < kGigabyte) {
    notes.warn("memory", value, "training at 64x64 takes about a gigabyte per rank", metrics);
  } else {
    notes.ok("memory", value, metrics);
  }
}

void check_host_name(const Notes& notes) {
  ::addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host_name().c_str(), nullptr, nullptr, &found);
  if (error == 0) {
    ::freeaddrinfo(found);
    notes.ok("host name", host_name() + " resolves");
  } else {
    notes.warn("host name",
               fmt::format("{} does not resolve: {}", host_name(), ::gai_strerror(error)),
               "jobs on several hosts may not find it: add it to /etc/hosts or DNS");
  }
}

// Compares the clock with the modification time of the program.
void check_clock(const Notes& notes) {
  struct stat file {};
  constexpr double kDay = 86400;
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  const std::string text = fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", utc.tm_year + 1900,
                                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min);
  const bool known = ::stat("/proc/self/exe", &file) == 0;
  if (known && std::difftime(file.st_mtime, now) > kDay) {
    notes.warn("clock", text + ", earlier than this program was built",
               "set the clock: times in logs and file systems are wrong");
  } else {
    notes.ok("clock", text);
  }
}

}  // namespace

void check_machine(const Notes& notes, int ranks) {
  check_cpu(notes);
  check_allowed_cpus(notes, ranks);
  check_load(notes);
  check_memory(notes);
  check_host_name(notes);
  check_clock(notes);
}

}  // namespace valley::doctor
