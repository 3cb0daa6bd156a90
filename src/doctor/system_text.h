// Reads the kernel's text files. Pure: the text comes in, so that any machine's can be tested.
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

// The mount that holds `path`, which is absolute and has no links; of two on one point the later,
// which hides the other. `mountinfo` is /proc/self/mountinfo.
[[nodiscard]] std::optional<Mount> mount_of(const std::string& path, std::string_view mountinfo);

// The flags of the first processor of /proc/cpuinfo ("flags", or "Features" on ARM).
[[nodiscard]] std::set<std::string> cpu_flags(std::string_view cpuinfo);
[[nodiscard]] std::string cpu_model(std::string_view cpuinfo);  // "" where there is none

// "580.65.06" of /proc/driver/nvidia/version; "" when there is none.
[[nodiscard]] std::string nvidia_driver_version(std::string_view text);

struct CgroupLimits {
  std::optional<double> cpus;          // of CPU time a second
  std::optional<std::int64_t> memory;  // bytes
};
// `read` gives a file's text, none when it cannot be read; `cgroup` is /proc/self/cgroup. Both
// hierarchies, v2 and v1; the tightest limit of the group and its ancestors counts.
[[nodiscard]] CgroupLimits cgroup_limits(
    std::string_view cgroup,
    const std::function<std::optional<std::string>(const std::string& path)>& read);

// "0-3,8" is 0, 1, 2, 3, 8. As the kernel writes sets of CPUs and NUMA nodes.
[[nodiscard]] std::vector<int> parse_cpu_list(std::string_view text);

// The text of a file of /proc or /sys; none when it cannot be read.
[[nodiscard]] std::optional<std::string> read_system_file(const std::string& path);

// A variable of the environment; "" if it is not set.
[[nodiscard]] std::string environment_variable(const char* name);

[[nodiscard]] std::string bytes_text(double bytes);  // "1.6 GB": powers of 1000

}  // namespace valley::doctor
