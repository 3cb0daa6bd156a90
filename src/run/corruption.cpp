#include "run/corruption.h"

#include <fmt/ranges.h>

#include <set>

#include "core/text.h"
#include "storage/checkpoint.h"

namespace valley {

CorruptionReport describe_corruption(const CorruptionFound& found,
                                     const std::vector<std::string>& hosts) {
  std::set<std::string> suspect;
  std::vector<std::string> places;
  for (const int rank : found.suspects()) {
    const std::string& host = hosts.at(static_cast<std::size_t>(rank));
    suspect.insert(host);
    places.push_back(fmt::format("rank {} on host {}", rank, host));
  }
  CorruptionReport report;
  report.why = fmt::format("silent corruption: {} ({})", found.what(), fmt::join(places, ", "));
  const bool has_others = std::set(hosts.begin(), hosts.end()).size() > suspect.size();
  if (suspect.size() == 1 && has_others) report.suspect_host = *suspect.begin();
  return report;
}

std::string distrust_checkpoints(const CorruptionReport& report, const RunDirectory& run,
                                 std::int64_t confirmed) {
  const std::size_t suspect = rename_suspect_checkpoints(run.checkpoints(), confirmed).size();
  std::string text =
      suspect == 0
          ? fmt::format(
                "no checkpoint is newer than the last audit without a difference, at step {}",
                confirmed)
          : fmt::format(
                "{} newer than the last audit without a difference, at step {}, may be "
                "wrong and {} renamed to checkpoints/suspect-step-*",
                plural(suspect, "checkpoint"), confirmed, suspect == 1 ? "was" : "were");
  text += report.suspect_host.empty() ? ". Test the memory and the processors of these hosts"
                                      : ". Leave out host " + report.suspect_host;
  return text + fmt::format(", and continue with --resume {}", run.path().string());
}

}  // namespace valley
