// Damages the files of runs and data sets, one at a time, and lets Valley read them. Started by
// bitflips.py.
//
// Usage: damaged_files FOLDER COUNT SEED [truncate]
//   FOLDER  has runs/ and data/ (readers.h); its files are the same afterwards
//   COUNT   random damages (damage.h), spread evenly over the kinds of files
//   truncate: also each file cut off at every 4 KiB, and with bytes added
// Prints one JSON object per kind of file and per failure.
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/read_file.h"
#include "core/warning_recorder.h"
#include "damage.h"
#include "readers.h"

namespace valley::chaos {
namespace {

namespace fs = std::filesystem;

constexpr double kMaxSeconds = 2;  // of CPU time per reader
constexpr double kMaxMebibytes = 512;
constexpr unsigned kHangSeconds = 120;

// In growing severity; a damaged file gets the worst verdict of its readers.
enum class Verdict { kHarmless, kShown, kRejected, kSilent, kFailed };
constexpr std::array kVerdicts = {"harmless", "shown", "rejected", "silent", "failed"};

struct Outcome {
  Verdict verdict = Verdict::kHarmless;
  std::string text;
  double seconds = 0;
};

double cpu_seconds() {
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const ::timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Peak resident memory in MiB since the last call of reset_peak_memory.
double peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
  return 0;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

void put(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

bool names(const std::string& message, const fs::path& file) {
  return message.find(file.filename().string()) != std::string::npos;
}

class Judge {
 public:
  explicit Judge(const std::vector<Victim>& victims) : victims_(victims) {
    for (const Victim& v : victims_)
      for (const Reader& reader : v.readers) undamaged(v, reader);
  }

  void damage(const Victim& victim, const std::string& original, const Damage& damage) {
    // A crash leaves the description of the damage behind.
    fmt::print(stderr, "{}: {}\n", victim.file.string(), damage.what);
    ::alarm(kHangSeconds);
    reset_peak_memory();
    put(victim.file, damage.bytes);
    Outcome worst;
    for (const Reader& reader : victim.readers) {
      Outcome outcome = judge(victim, reader);
      Kind& kind = kinds_[victim.kind];
      kind.seconds = std::max(kind.seconds, outcome.seconds);
      if (outcome.seconds > kMaxSeconds)
        outcome = {Verdict::kFailed, fmt::format("took {:.2f} s", outcome.seconds), 0};
      if (outcome.verdict >= Verdict::kSilent) report(victim, damage, reader.name, outcome);
      if (outcome.verdict > worst.verdict) worst = outcome;
    }
    put(victim.file, original);
    const double memory = peak_memory();
    if (memory > kMaxMebibytes) {
      worst = {Verdict::kFailed, fmt::format("{:.0f} MiB", memory), 0};
      report(victim, damage, "all", worst);
    }
    Kind& kind = kinds_[victim.kind];
    ++kind.counts.at(static_cast<std::size_t>(worst.verdict));
    kind.memory = std::max(kind.memory, memory);
  }

  void print() const {
    for (const auto& [name, kind] : kinds_) {
      nlohmann::ordered_json line = {{"kind", name}};
      for (std::size_t i = 0; i < kVerdicts.size(); ++i) line[kVerdicts.at(i)] = kind.counts.at(i);
      line["seconds"] = kind.seconds;
      line["mebibytes"] = kind.memory;
      fmt::print("{}\n", line.dump());
    }
  }
  [[nodiscard]] bool has_failures() const { return has_failures_; }

 private:
  struct Kind {
    std::array<std::int64_t, kVerdicts.size()> counts{};
    double seconds = 0;
    double memory = 0;
  };

  const std::string& undamaged(const Victim& victim, const Reader& reader) {
    // Readers of the same name differ by the folder that they read.
    const std::string key = reader.name + victim.file.parent_path().string();
    const auto found = undamaged_.find(key);
    if (found != undamaged_.end()) return found->second;
    const log::WarningRecorder warnings;
    const Found first = reader.read();
    if (!first.notices.empty() || !warnings.texts().empty() ||
        reader.read().content != first.content)
      throw std::runtime_error(key + ": another result without damage");
    return undamaged_[key] = first.content;
  }

  Outcome judge(const Victim& victim, const Reader& reader) {
    const std::string& expected = undamaged(victim, reader);
    const log::WarningRecorder warnings;
    Outcome outcome;
    const double before = cpu_seconds();
    try {
      Found found = reader.read();
      const std::vector<std::string> logged = warnings.texts();
      found.notices.insert(found.notices.end(), logged.begin(), logged.end());
      const auto naming = std::ranges::find_if(
          found.notices, [&](const std::string& notice) { return names(notice, victim.file); });
      if (naming != found.notices.end()) {
        outcome = {Verdict::kRejected, *naming, 0};
      } else if (found.content != expected || !found.notices.empty()) {
        const bool may_show = victim.is_plain_text || reader.shows_text;
        outcome.verdict = may_show ? Verdict::kShown : Verdict::kSilent;
        outcome.text = found.notices.empty() ? "another result" : found.notices.front();
      }
    } catch (const Error& error) {
      outcome = rejection(victim, error);
    } catch (const std::exception& error) {
      outcome = {Verdict::kFailed, fmt::format("unexpected exception: {}", error.what()), 0};
    }
    outcome.seconds = cpu_seconds() - before;
    return outcome;
  }

  static Outcome rejection(const Victim& victim, const Error& error) {
    const ExitCode code = error.code();
    const bool fits =
        code == ExitCode::kConfig || code == ExitCode::kData || code == ExitCode::kMissingInput;
    if (!fits)
      return {Verdict::kFailed, fmt::format("code {}: {}", static_cast<int>(code), error.what()),
              0};
    if (!names(error.what(), victim.file))
      return {Verdict::kFailed, fmt::format("does not name the file: {}", error.what()), 0};
    return {Verdict::kRejected, error.what(), 0};
  }

  void report(const Victim& victim, const Damage& damage, const std::string& reader,
              const Outcome& outcome) {
    has_failures_ = true;
    const nlohmann::ordered_json line = {
        {"failure", kVerdicts.at(static_cast<std::size_t>(outcome.verdict))},
        {"file", victim.file.string()},
        {"damage", damage.what},
        {"reader", reader},
        {"text", outcome.text}};
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  const std::vector<Victim>& victims_;
  std::map<std::string, std::string> undamaged_;  // results, by reader and folder
  std::map<std::string, Kind> kinds_;
  bool has_failures_ = false;
};

int damage_all(const fs::path& folder, std::size_t count, std::uint64_t seed, bool truncate) {
  const fs::path scratch = folder / "scratch";
  const std::vector<Victim> victims = find_victims(folder, scratch);
  Judge judge(victims);
  Chance chance(seed);
  std::map<std::string, std::vector<const Victim*>> by_kind;
  std::map<std::string, std::string> originals;
  for (const Victim& victim : victims) {
    const std::string& bytes = originals[victim.file.string()] = read_file(victim.file);
    if (!bytes.empty()) by_kind[victim.kind].push_back(&victim);
    if (!truncate) continue;
    for (const Damage& damage : truncations(bytes)) judge.damage(victim, bytes, damage);
    for (const Damage& damage : additions(bytes, chance)) judge.damage(victim, bytes, damage);
  }
  for (std::size_t i = 0; i < count;) {
    for (const auto& [kind, files] : by_kind) {
      if (i++ == count) break;
      const Victim& victim = *files[chance() % files.size()];
      const std::string& bytes = originals.at(victim.file.string());
      judge.damage(victim, bytes, random_damage(bytes, chance));
    }
  }
  for (const auto& [file, bytes] : originals)
    if (read_file(file) != bytes) throw std::runtime_error(file + " was not restored");
  fs::remove_all(scratch);
  judge.print();
  return judge.has_failures() ? 1 : 0;
}

}  // namespace
}  // namespace valley::chaos

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const bool truncate = argc > 4 && std::string(argv[4]) == "truncate";
  try {
    return valley::chaos::damage_all(argv[1], std::strtoull(argv[2], nullptr, 10),
                                     std::strtoull(argv[3], nullptr, 10), truncate);
  } catch (const std::exception& error) {
    fmt::print(stderr, "damaged_files: {}\n", error.what());
    return 3;
  }
}
