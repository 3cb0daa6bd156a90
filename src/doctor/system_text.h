// Parsers of the kernel's text files. Pure functions of the text, so that tests can use files of
// other hosts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace valley::doctor {

struct Mount {
  std::string point;    // "/scratch"
  std::string type;     // "nfs4", "lustre", "overlay", "tmpfs", "ext4", ...
  std::string source;   // "server:/export", "/dev/sda1"
  std::string options;  // "rw,relatime", of the mount and of the file system
  [[nodiscard]] bool read_only() const;
};

// The mount of `path`, which must be absolute without links. Of two mounts on one point it is the
// later, which hides the other. `mountinfo` is /proc/self/mountinfo.
[[nodiscard]] std::optional<Mount> find_mount(const std::string& path, std::string_view mountinfo);

// The flags of the first processor of /proc/cpuinfo ("flags", or "Features" on ARM).
[[nodiscard]] std::set<std::string> cpu_flags(std::string_view cpuinfo);
[[nodiscard]] std::string cpu_model(std::string_view cpuinfo);  // "" if absent

// "580.65.06" from /proc/driver/nvidia/version; "" if absent.
[[nodiscard]] std::string nvidia_driver_version(std::string_view text);

struct CgroupLimits {
  std::optional<double> cpus;          // CPU seconds per second
  std::optional<std::int64_t> memory;  // bytes
};
// The tightest limits of the control group and its ancestors, in hierarchies v2 and v1. `read`
// returns the text of a file or nullopt; `cgroup` is /proc/self/cgroup.
[[nodiscard]] CgroupLimits cgroup_limits(
    std::string_view cgroup,
    const std::function<std::optional<std::string>(const std::string& path)>& read);

// Sets of CPUs and NUMA nodes as written by the kernel: "0-3,8" is 0, 1, 2, 3, 8.
[[nodiscard]] std::vector<int> parse_cpu_list(std::string_view text);

// The text of a file of /proc or /sys; nullopt if it cannot be read.
[[nodiscard]] std::optional<std::string> read_system_file(const std::string& path);

// An environment variable; "" if it is not set.
[[nodiscard]] std::string environment_variable(const char* name);

[[nodiscard]] std::string bytes_text(double bytes);  // "1.6 GB": powers of 1000

}  // namespace valley::doctor
