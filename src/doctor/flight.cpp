#include "doctor/flight.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/text.h"

namespace valley::doctor {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t kMaxRecordBytes = std::uint64_t{64} << 20U;
constexpr std::size_t kShownCalls = 12;
constexpr std::size_t kShownStacks = 4;

struct Advice {
  const char* kind;
  const char* text;
};
constexpr Advice kAdvice[] = {
    {"dead",
     "the rank's last lines of output, dmesg on its host (out of memory) and the scheduler's "
     "accounting say why it ended; then start again with --resume"},
    {"stopped",
     "find who stopped it: a terminal (Ctrl-Z), a debugger, or a scheduler that suspends; then "
     "start again with --resume"},
    {"unreachable",
     "check that the host is up and that the job's hosts reach each other (run valley doctor with "
     "the job's launcher); then start again with --resume, without that host if it is down"},
    {"mismatch",
     "check that all hosts have the same valley program; if so, this is a defect of Valley: "
     "please report it with the folder of these records"},
    {"loader",
     "check the disk or the file server of data.path on the rank's host (dmesg, the server's "
     "log); data.cache = \"host\" reads the data once; then start again with --resume"},
    {"computing",
     "see the functions below; on a GPU check its log (nvidia-smi, dmesg); if the work was slow, "
     "not endless, set a larger train.hang_timeout; then start again with --resume"},
    {"busy",
     "see the functions below; if the file system or the evaluation was slow, not endless, set a "
     "larger train.hang_timeout; then start again with --resume"},
    {"network",
     "check the network between the job's hosts (run valley doctor with the job's launcher), and "
     "NCCL's log with NCCL_DEBUG=INFO; then start again with --resume"},
};

std::string advice_for(const std::string& kind) {
  for (const Advice& advice : kAdvice)
    if (kind == advice.kind) return advice.text;
  return "start again with --resume; if it hangs again, please report it with the folder of these "
         "records";
}

// An integer of a record from 0 to half of what its type holds, so that callers can add to it.
// Others are errors: a conversion would be undefined.
template <typename Integer = std::int64_t>
Integer whole(const Json& number) {
  constexpr Integer kMax = std::numeric_limits<Integer>::max() / 2;
  const bool fits = number.is_number_unsigned() &&
                    number.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMax);
  if (!fits) throw std::invalid_argument(write_json(number) + " is not a valid number there");
  return number.get<Integer>();
}

// Functions of the thread that trains, whose number is that of the process.
std::vector<std::string> main_calls(const Json& threads, std::int64_t pid) {
  for (const Json& thread : threads) {
    if (whole(thread.at("thread")) != pid) continue;
    auto frames = thread.at("frames").get<std::vector<std::string>>();
    if (frames.size() > kShownCalls) frames.resize(kShownCalls);
    return frames;
  }
  return {};
}

FlightRank rank_from(const Json& record) {
  FlightRank r;
  r.rank = whole<int>(record.at("rank"));
  r.host = record.at("host").get<std::string>();
  r.pid = whole(record.at("pid"));
  r.step = whole(record.at("step"));
  r.phase = record.at("phase").get<std::string>();
  r.activity = record.at("activity").get<std::string>();
  r.activity_s = record.at("activity_s").get<double>();
  // The first one that it is in, else the last one. On GPUs later ones may be queued.
  for (const Json& c : record.at("collectives")) {
    if (c.at("entered_s_ago").is_null()) continue;
    r.collective =
        fmt::format("{} {}", c.at("collective").get<std::string>(), whole(c.at("number")));
    if (!c.at("left_s_ago").is_null()) continue;
    r.inside_s = c.at("entered_s_ago").get<double>();
    break;
  }
  r.calls = main_calls(record.at("threads"), r.pid);
  return r;
}

std::vector<fs::path> records_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with("rank-") && name.ends_with(".json")) files.push_back(at->path());
  }
  std::ranges::sort(files);
  return files;
}

// "0-3, 5".
std::string rank_list(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += last == i ? fmt::format("{}", ranks[i]) : fmt::format("{}-{}", ranks[i], ranks[last]);
    i = last + 1;
  }
  return text;
}

// Ranks that were doing the same are one line.
std::string rank_lines(const FlightExplanation& e) {
  using Key = std::pair<std::int64_t, std::string>;
  std::map<Key, std::vector<const FlightRank*>> groups;
  for (const FlightRank& r : e.ranks) {
    const std::string where = r.phase.empty() ? "" : ", phase " + r.phase;
    const std::string doing =
        r.inside_s ? fmt::format("in {}", r.collective)
                   : fmt::format("{}, after {}", r.activity,
                                 r.collective.empty() ? "no collective" : r.collective);
    groups[{r.step, fmt::format("step {}{}: {}", r.step, where, doing)}].push_back(&r);
  }
  std::string text;
  for (const auto& [key, members] : groups) {
    std::vector<int> ranks;
    double longest = 0;
    for (const FlightRank* r : members) {
      ranks.push_back(r->rank);
      longest = std::max(longest, r->inside_s.value_or(r->activity_s));
    }
    text += fmt::format("  {} {}: {} for {:.0f} s\n", ranks.size() == 1 ? "rank" : "ranks",
                        rank_list(ranks), key.second, longest);
  }
  std::vector<int> silent;
  for (const int rank : e.culprits)
    if (std::ranges::none_of(e.ranks, [&](const FlightRank& r) { return r.rank == rank; }))
      silent.push_back(rank);
  if (!silent.empty())
    text += fmt::format("  {} {}: no record\n", silent.size() == 1 ? "rank" : "ranks",
                        rank_list(silent));
  return text;
}

// The functions of the ranks that hold up the others, and of one that waits.
std::string stacks(const FlightExplanation& e) {
  std::vector<const FlightRank*> chosen;
  const std::set<int> culprits(e.culprits.begin(), e.culprits.end());
  for (const FlightRank& r : e.ranks)
    if (culprits.contains(r.rank) && chosen.size() < kShownStacks) chosen.push_back(&r);
  for (const FlightRank& r : e.ranks) {
    if (culprits.contains(r.rank)) continue;
    chosen.push_back(&r);
    break;
  }
  std::string text;
  for (const FlightRank* r : chosen) {
    if (r->calls.empty()) continue;
    text +=
        fmt::format("\nMain thread of rank {} (host {}, process {}):\n", r->rank, r->host, r->pid);
    for (const std::string& call : r->calls) text += "  " + call + "\n";
  }
  return text;
}

}  // namespace

FlightExplanation explain_flight(const fs::path& run) {
  std::error_code ignored;
  const fs::path folder = fs::is_directory(run / "flight", ignored) ? run / "flight" : run;
  FlightExplanation e;
  e.run = run.string();
  std::vector<std::pair<std::string, FlightRank>> found;  // with their verdicts
  for (const fs::path& file : records_in(folder)) {
    const Json json =
        parse_json(read_file(file, {.max_bytes = kMaxRecordBytes, .too_large = ExitCode::kData}),
                   file.string());
    try {
      const Json& verdict = json.at("verdict");
      const auto text = verdict.at("text").get<std::string>();
      found.emplace_back(text, rank_from(json));
      const auto time = json.at("time").get<std::string>();
      if (time <= e.time) continue;
      e.time = time;
      e.verdict = text;
      e.kind = verdict.at("kind").get<std::string>();
      e.culprits.clear();
      for (const Json& rank : verdict.at("ranks")) e.culprits.push_back(whole<int>(rank));
      e.step = whole(verdict.at("step"));
    } catch (const std::exception& error) {
      throw Error(ExitCode::kData, "{} is not a flight record: {}; delete it to read the others",
                  file.string(), error.what());
    }
  }
  if (found.empty())
    throw Error(ExitCode::kMissingInput,
                "no flight record in {}: only a job that train.hang_timeout ended, or whose rank "
                "died, has one",
                folder.string());
  // An earlier launch of the run, on more ranks, may have left records.
  for (auto& [verdict, rank] : found)
    if (verdict == e.verdict) e.ranks.push_back(std::move(rank));
  std::ranges::sort(e.ranks, {}, &FlightRank::rank);
  e.advice = advice_for(e.kind);
  return e;
}

std::string to_text(const FlightExplanation& e) {
  return fmt::format("{}: {} in step {}, {}\n\n{}\n\nWhat to do: {}\n\n{}{}", e.run,
                     e.kind == "dead" ? "lost a rank" : "hung", e.step, e.time, e.verdict, e.advice,
                     rank_lines(e), stacks(e));
}

std::string to_json(const FlightExplanation& e) {
  using Ordered = nlohmann::ordered_json;
  Ordered ranks = Ordered::array();
  for (const FlightRank& r : e.ranks) {
    ranks.push_back({{"rank", r.rank},
                     {"host", r.host},
                     {"pid", r.pid},
                     {"step", r.step},
                     {"phase", r.phase},
                     {"activity", r.activity},
                     {"activity_s", r.activity_s},
                     {"collective", r.collective},
                     {"inside_s", r.inside_s ? Ordered(*r.inside_s) : Ordered(nullptr)},
                     {"calls", r.calls}});
  }
  return write_json(Ordered({{"run", e.run},
                             {"kind", e.kind},
                             {"verdict", e.verdict},
                             {"ranks", e.culprits},
                             {"step", e.step},
                             {"time", e.time},
                             {"advice", e.advice},
                             {"records", ranks}}));
}

}  // namespace valley::doctor
