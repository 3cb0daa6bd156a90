#include "flight/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/text.h"

namespace valley {
namespace {

std::string rank_text(const RankView& view) {
  if (!view.report) return fmt::format("rank {}", view.rank);
  return fmt::format("rank {} (host {}, process {})", view.rank, view.report->host,
                     view.report->pid);
}

std::string ranks_text(const std::vector<const RankView*>& views) {
  constexpr std::size_t kMost = 8;
  if (views.size() == 1) return rank_text(*views.front());
  std::vector<std::string> names;
  for (const RankView* view : views) names.push_back(std::to_string(view->rank));
  return fmt::format("ranks {}", join_up_to(kMost, names));
}

const RecordedCollective* find_call(const RankReport& report, int channel, std::int64_t number) {
  for (const RecordedCollective& c : report.collectives)
    if (c.channel == channel && c.number == number) return &c;
  return nullptr;
}

bool is_silent(const RankView& view) {
  return !view.report || view.silent_s > kSilentSeconds || !view.is_connected;
}

// A collective in which ranks wait for others.
struct Wait {
  int channel = 0;
  std::int64_t number = 0;
  const RecordedCollective* call = nullptr;
  std::vector<const RankView*> waiting;
};

// The earliest collective that some ranks are in, which the others have not entered.
std::optional<Wait> find_wait(const std::vector<RankView>& views) {
  std::optional<Wait> found;
  for (int channel = 0; channel < FlightRecorder::kChannels; ++channel) {
    const auto at = static_cast<std::size_t>(channel);
    std::int64_t first = 0;
    for (const RankView& view : views) {
      if (is_silent(view)) continue;  // its report is old
      const ChannelPosition& p = view.report->state.channels[at];
      if (p.left < p.entered && (first == 0 || p.left + 1 < first)) first = p.left + 1;
    }
    if (first == 0) continue;
    Wait wait{channel, first, nullptr, {}};
    for (const RankView& view : views) {
      if (is_silent(view)) continue;  // its report is old
      const ChannelPosition& p = view.report->state.channels[at];
      if (p.left >= first || p.entered < first) continue;
      wait.waiting.push_back(&view);
      if (wait.call == nullptr) wait.call = find_call(*view.report, channel, first);
    }
    if (!found || wait.waiting.size() > found->waiting.size()) found = wait;
  }
  return found;
}

void describe_wait(const std::optional<Wait>& wait, Verdict& verdict) {
  if (!wait || wait->call == nullptr) return;
  verdict.step = wait->call->step;
  verdict.collective = describe(*wait->call);
}

std::string waiting_text(const std::optional<Wait>& wait, const Verdict& verdict) {
  if (!wait || wait->waiting.empty()) return "";
  return fmt::format("; {} wait{} in {}", ranks_text(wait->waiting),
                     wait->waiting.size() == 1 ? "s" : "", verdict.collective);
}

// Ranks that are gone or silent.
std::optional<Verdict> judge_lost(const std::vector<RankView>& views,
                                  const std::optional<Wait>& wait) {
  std::map<HangKind, std::vector<const RankView*>> lost;
  for (const RankView& view : views) {
    if (view.is_gone) {
      lost[HangKind::kDead].push_back(&view);
    } else if (view.process == 'T' || view.process == 't') {
      lost[HangKind::kStopped].push_back(&view);
    } else if (is_silent(view) && !view.process) {
      lost[HangKind::kUnreachable].push_back(&view);
    }
  }
  if (lost.empty()) return std::nullopt;
  const auto& [kind, ranks] = *lost.begin();
  Verdict verdict;
  verdict.kind = kind;
  describe_wait(wait, verdict);
  for (const RankView* view : ranks) verdict.ranks.push_back(view->rank);
  const RankView& first = *ranks.front();
  const std::string is = ranks.size() == 1 ? "is" : "are";
  std::string what;
  if (kind == HangKind::kDead) what = ranks.size() == 1 ? "has ended" : "have ended";
  if (kind == HangKind::kStopped)
    what = fmt::format("{} stopped ({}); continue with kill -CONT {}", is,
                       first.process == 't' ? "by a debugger" : "by SIGSTOP or a terminal",
                       first.report ? first.report->pid : 0);
  if (kind == HangKind::kUnreachable)
    what = fmt::format(
        "{} silent for {:.0f} s, and no other rank of its host answers: the host is down, the "
        "network "
        "between the hosts is cut, or all its ranks are stopped",
        is, first.silent_s);
  verdict.text = fmt::format("{} {}{}", ranks_text(ranks), what, waiting_text(wait, verdict));
  return verdict;
}

// The first collective that ranks have called with different arguments.
std::optional<Verdict> judge_mismatch(const std::vector<RankView>& views) {
  for (int channel = 0; channel < FlightRecorder::kChannels; ++channel) {
    std::map<std::int64_t, std::vector<std::pair<const RankView*, const RecordedCollective*>>>
        calls;
    for (const RankView& view : views) {
      if (!view.report) continue;
      for (const RecordedCollective& c : view.report->collectives)
        if (c.channel == channel) calls[c.number].emplace_back(&view, &c);
    }
    for (const auto& [number, made] : calls) {
      const CollectiveCall& expected = made.front().second->call;
      const auto other = std::ranges::find_if(
          made, [&](const auto& entry) { return !(entry.second->call == expected); });
      if (other == made.end()) continue;
      Verdict verdict;
      verdict.kind = HangKind::kMismatch;
      verdict.step = made.front().second->step;
      verdict.collective = describe(*made.front().second);
      // The smaller group is to blame; of two equal ones that without rank 0.
      std::vector<const RankView*> same;
      std::vector<const RankView*> different;
      for (const auto& [view, call] : made)
        (call->call == expected ? same : different).push_back(view);
      const auto& culprits = different.size() <= same.size() ? different : same;
      for (const RankView* view : culprits) verdict.ranks.push_back(view->rank);
      verdict.text = fmt::format("ranks called different collectives: {} called {}, {} called {}",
                                 ranks_text(same), verdict.collective, ranks_text(different),
                                 describe(*other->second));
      return verdict;
    }
  }
  return std::nullopt;
}

HangKind kind_of(Activity activity) {
  switch (activity) {
    case Activity::kLoader:
      return HangKind::kLoader;
    case Activity::kCompute:
      return HangKind::kComputing;
    default:
      return HangKind::kBusy;
  }
}

// Ranks that have not entered the collective in which the others wait.
std::optional<Verdict> judge_late(const std::vector<RankView>& views, const Wait& wait) {
  std::vector<const RankView*> late;
  bool all_have_called = true;
  for (const RankView& view : views) {
    if (!view.report) continue;
    const ChannelPosition& p = view.report->state.channels[static_cast<std::size_t>(wait.channel)];
    if (p.entered >= wait.number) continue;
    late.push_back(&view);
    all_have_called = all_have_called && p.called >= wait.number;
  }
  if (late.empty()) return std::nullopt;
  Verdict verdict;
  describe_wait(wait, verdict);
  for (const RankView* view : late) verdict.ranks.push_back(view->rank);
  if (all_have_called) {
    verdict.kind = HangKind::kComputing;
    verdict.text = fmt::format("{} {} kernels or copies on {} GPU that do not end{}",
                               ranks_text(late), late.size() == 1 ? "has" : "have",
                               late.size() == 1 ? "its" : "their", waiting_text(wait, verdict));
    return verdict;
  }
  const RankReport& first = *late.front()->report;
  verdict.kind = kind_of(first.state.activity);
  verdict.text = fmt::format("{} {} been {} for {:.0f} s in step {}{}", ranks_text(late),
                             late.size() == 1 ? "has" : "have", name_of(first.state.activity),
                             first.activity_s, first.state.step, waiting_text(wait, verdict));
  return verdict;
}

}  // namespace

const char* name_of(HangKind kind) {
  switch (kind) {
    case HangKind::kDead:
      return "dead";
    case HangKind::kStopped:
      return "stopped";
    case HangKind::kUnreachable:
      return "unreachable";
    case HangKind::kMismatch:
      return "mismatch";
    case HangKind::kLoader:
      return "loader";
    case HangKind::kComputing:
      return "computing";
    case HangKind::kBusy:
      return "busy";
    case HangKind::kNetwork:
      return "network";
    default:
      return "unknown";
  }
}

std::string describe(const RecordedCollective& c) {
  std::string text = fmt::format("{} {}", name_of(c.call.kind), c.number);
  if (c.call.elements > 0)
    text += fmt::format(" of {} {} ({})", c.call.elements, c.call.type,
                        format_bytes(static_cast<std::uint64_t>(c.call.bytes)));
  if (c.phase[0] != '\0') text += fmt::format(" in phase {}", c.phase);
  return text + fmt::format(" of step {}", c.step);
}

Verdict judge(const std::vector<RankView>& views) {
  const std::optional<Wait> wait = find_wait(views);
  if (auto lost = judge_lost(views, wait)) return *lost;
  if (auto mismatch = judge_mismatch(views)) return *mismatch;
  if (wait) {
    if (auto late = judge_late(views, *wait)) return *late;
    Verdict verdict;
    verdict.kind = HangKind::kNetwork;
    describe_wait(wait, verdict);
    verdict.text = fmt::format(
        "all ranks are in {}, which does not end: check the network, or NCCL and its devices",
        verdict.collective);
    return verdict;
  }
  Verdict verdict;
  std::vector<const RankView*> all;
  for (const RankView& view : views) {
    all.push_back(&view);
    verdict.ranks.push_back(view.rank);
  }
  if (!views.empty() && views.front().report) {
    const RankReport& first = *views.front().report;
    verdict.kind = kind_of(first.state.activity);
    verdict.step = first.state.step;
    verdict.text = fmt::format("no rank is in a collective: {} {} been {} for {:.0f} s",
                               ranks_text(all), all.size() == 1 ? "has" : "have",
                               name_of(first.state.activity), first.activity_s);
  } else {
    verdict.text = "no rank has reported anything";
  }
  return verdict;
}

}  // namespace valley
