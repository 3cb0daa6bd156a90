#include "doctor/system_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace valley::doctor {
namespace {

std::vector<std::string> split_words(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

// The kernel writes a space as "\040".
std::string unescape(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 4], code, 8).ptr == &text[i + 4]) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool is_below(const std::string& path, const std::string& point) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

// "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue"
std::optional<Mount> parse_mount(const std::string& line) {
  const std::vector<std::string> words = split_words(line);
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
  return Mount{unescape(words[4]), dash[1], unescape(dash[2]), words[5] + "," + dash[3]};
}

// The value of the first "name   : value" whose name is one of `names`.
std::string cpuinfo_value(std::string_view cpuinfo, const std::vector<std::string>& names) {
  std::istringstream in{std::string(cpuinfo)};
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

template <typename T>
void tighten(std::optional<T>& limit, T other) {
  limit = limit ? std::min(*limit, other) : other;
}

using Reader = std::function<std::optional<std::string>(const std::string& path)>;

std::optional<double> parse_word(const std::optional<std::string>& text, std::size_t word = 0) {
  if (!text) return std::nullopt;
  const std::vector<std::string> words = split_words(*text);
  if (words.size() <= word) return std::nullopt;
  double value = 0;
  const char* end = words[word].data() + words[word].size();
  const auto [stop, error] = std::from_chars(words[word].data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;  // "max"
  return value;
}

// Version 1 writes "no limit" as a number near 2^63.
constexpr double kUnlimited = 1e18;

void read_group(const std::string& folder, bool is_v2, const Reader& read, CgroupLimits& limits) {
  const auto memory = parse_word(read(folder + (is_v2 ? "/memory.max" : "/memory.limit_in_bytes")));
  if (memory && *memory < kUnlimited) tighten(limits.memory, static_cast<std::int64_t>(*memory));
  const std::optional<std::string> both = is_v2 ? read(folder + "/cpu.max") : std::nullopt;
  const auto quota = is_v2 ? parse_word(both) : parse_word(read(folder + "/cpu.cfs_quota_us"));
  const auto period = is_v2 ? parse_word(both, 1) : parse_word(read(folder + "/cpu.cfs_period_us"));
  if (quota && period && *quota > 0 && *period > 0) tighten(limits.cpus, *quota / *period);
}

}  // namespace

bool Mount::read_only() const { return ("," + options + ",").find(",ro,") != std::string::npos; }

std::optional<Mount> find_mount(const std::string& path, std::string_view mountinfo) {
  std::optional<Mount> found;
  std::istringstream in{std::string(mountinfo)};
  for (std::string line; std::getline(in, line);) {
    const std::optional<Mount> mount = parse_mount(line);
    if (mount && is_below(path, mount->point) &&
        (!found || mount->point.size() >= found->point.size()))
      found = mount;
  }
  return found;
}

std::set<std::string> cpu_flags(std::string_view cpuinfo) {
  const std::vector<std::string> words = split_words(cpuinfo_value(cpuinfo, {"flags", "Features"}));
  return {words.begin(), words.end()};
}

std::string cpu_model(std::string_view cpuinfo) { return cpuinfo_value(cpuinfo, {"model name"}); }

std::string nvidia_driver_version(std::string_view text) {
  const std::string first(text.substr(0, text.find('\n')));
  for (const std::string& word : split_words(first)) {
    const bool is_version = word.find_first_not_of("0123456789.") == std::string::npos &&
                            word.find('.') != std::string::npos;
    if (is_version) return word;
  }
  return "";
}

CgroupLimits cgroup_limits(std::string_view cgroup, const Reader& read) {
  CgroupLimits limits;
  std::istringstream in{std::string(cgroup)};
  for (std::string line; std::getline(in, line);) {  // "4:memory:/slurm/job_7", "0::/user.slice"
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    std::vector<std::string> roots{"/sys/fs/cgroup/" + controllers};
    if (controllers.empty()) roots = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (;; group = group.substr(0, group.rfind('/'))) {
      if (group == "/") group.clear();
      for (const std::string& root : roots)
        read_group(root + group, controllers.empty(), read, limits);
      if (group.empty()) break;
    }
  }
  return limits;
}

std::vector<int> parse_cpu_list(std::string_view text) {
  std::vector<int> found;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, ',');) {
    int first = 0;
    const char* end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, first);
    if (error != std::errc()) continue;
    int last = first;
    if (stop != end && *stop == '-') std::from_chars(stop + 1, end, last);
    for (int cpu = first; cpu <= last; ++cpu) found.push_back(cpu);
  }
  return found;
}

std::optional<std::string> read_system_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return std::nullopt;
  return text;
}

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits{"bytes", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  if (unit == 0) return fmt::format("{:.0f} bytes", bytes);
  return fmt::format("{:.{}f} {}", bytes, bytes < 10 ? 1 : 0, kUnits[unit]);
}

}  // namespace valley::doctor
