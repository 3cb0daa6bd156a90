#include "flight/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/numbers.h"
#include "flight/flight_recorder.h"
#include "flight/watchdog.h"

namespace valley {
namespace {

constexpr double kDeadGrace = 2;     // for a process whose connection has ended, until it ends
constexpr double kSettling = 0.2;    // until this rank waits for one that has ended
constexpr double kFreshReports = 1;  // for reports that were asked for
// The same after a rank has ended: mpirun kills the others within a second.
constexpr double kHastyReports = 0.2;
constexpr double kDumpPatience = 3;  // for the records of other ranks
constexpr double kFarewells = 2;     // of other ranks
constexpr double kDeputyGrace = 2;   // the monitor judges first

}  // namespace

std::optional<std::string> after(const char* message, const std::string& line) {
  if (!line.starts_with(message)) return std::nullopt;
  return line.substr(std::string_view(message).size());
}

std::string answer_probe(const std::string& entry) {
  const std::size_t colon = entry.find(':');
  if (colon == std::string::npos) return entry;
  const auto pid = parse_number<std::int64_t>(std::string_view(entry).substr(colon + 1));
  return entry.substr(0, colon + 1) + (pid ? process_state(*pid) : std::nullopt).value_or('-');
}

Monitor::Monitor(int rank, int size, double timeout_s, std::unique_ptr<SideChannelServer> server)
    : rank_(rank),
      timeout_(timeout_s),
      server_(std::move(server)),
      ranks_(static_cast<std::size_t>(size)),
      changed_(monotonic_seconds()),
      watched_(changed_) {
  for (Known& k : ranks_) k.heard = changed_;
}

std::optional<Verdict> Monitor::watch() {
  handle_events(0);
  const double now = monotonic_seconds();
  if (now - watched_ > kSilentSeconds) forgive(now);
  watched_ = now;
  if (is_failing_) return std::nullopt;  // the launcher kills the other ranks now
  const bool has_lost = has_lost_rank(now);
  const double timeout = timeout_ + (rank_ == 0 ? 0 : kDeputyGrace);
  if (!has_lost && now - changed_ < timeout) return std::nullopt;
  // The deputy leaves the verdict to rank 0 while that answers.
  if (rank_ != 0 && now - ranks_[0].heard < kSilentSeconds && !ranks_[0].lost_since)
    return std::nullopt;
  refresh(has_lost);
  return judge(views());
}

void Monitor::collect(const Verdict& verdict) {
  server_->send_all(messages::kDump + to_json(verdict));
  const double end = monotonic_seconds() + kDumpPatience;
  const auto is_missing = [&](int r) {
    const Known& k = known(r);
    return r != rank_ && k.is_connected && !k.said_bye && reported_.contains(r) &&
           !dumped_.contains(r);
  };
  const auto is_waiting = [&] {
    for (int r = 0; r < static_cast<int>(ranks_.size()); ++r)
      if (is_missing(r)) return true;
    return false;
  };
  while (is_waiting() && monotonic_seconds() < end) handle_events(0.1);
}

void Monitor::drain() {
  const double end = monotonic_seconds() + kFarewells;
  const auto has_ended = [](const Known& k) { return k.said_bye || k.lost_since; };
  while (monotonic_seconds() < end && !std::ranges::all_of(ranks_, has_ended)) handle_events(0.05);
}

bool Monitor::is_busy() const {
  return std::ranges::any_of(
      ranks_, [](const Known& k) { return k.lost_since && !k.said_bye && !k.is_gone; });
}

// After this process itself was stopped, as when Slurm suspends the job: all times start again.
void Monitor::forgive(double now) {
  changed_ = now;
  for (Known& k : ranks_) k.heard = now;
}

void Monitor::handle_events(double seconds) {
  for (const ChannelEvent& event : server_->poll(seconds)) handle(event);
}

void Monitor::handle(const ChannelEvent& event) {
  Known& k = known(event.rank);
  const double now = monotonic_seconds();
  if (event.kind == ChannelEvent::Kind::kClosed) {
    k.is_connected = false;
    if (!k.said_bye) k.lost_since = now;
    return;
  }
  k.heard = now;
  if (event.kind == ChannelEvent::Kind::kJoined) {
    k.is_connected = true;
  } else if (event.line == messages::kBye) {
    k.said_bye = true;
  } else if (event.line == messages::kFailing) {
    k.said_bye = true;
    is_failing_ = true;
  } else if (event.line == messages::kDumped) {
    dumped_.insert(event.rank);
  } else if (const auto answer = after(messages::kProcess, event.line)) {
    take_process(*answer);
  } else if (auto report = parse_rank_report(event.line); report && report->rank == event.rank) {
    take_report(std::move(*report));
  }
}

void Monitor::take_report(RankReport report) {
  Known& k = known(report.rank);
  if (!k.report || k.report->state.progress != report.state.progress)
    changed_ = monotonic_seconds();
  reported_.insert(report.rank);
  k.report = std::move(report);
}

// True if a rank's connection has ended, and with it the process.
bool Monitor::has_lost_rank(double now) {
  bool found = false;
  for (Known& k : ranks_) {
    if (!k.lost_since || k.said_bye) continue;
    // The kernel of its host ended the connection: without a witness there, the process has ended.
    if (!k.is_gone && (!ask(k) || now - *k.lost_since > kDeadGrace)) k.is_gone = true;
    found = found || k.is_gone;
  }
  return found;
}

// Asks about the process of a rank: /proc on this host, or the ranks of its host. False if nobody
// can tell.
bool Monitor::ask(const Known& about) {
  if (!about.report) return false;
  const std::string entry = fmt::format("{}:{}", about.report->rank, about.report->pid);
  if (about.report->machine == machine_) {
    take_process(answer_probe(entry));
    return true;
  }
  bool is_asked = false;
  for (const Known& k : ranks_) {
    if (!k.report || !k.is_connected || k.report->machine != about.report->machine) continue;
    server_->send(k.report->rank, messages::kProbe + entry);
    is_asked = true;
  }
  return is_asked;
}

void Monitor::take_process(const std::string& answer) {
  const std::size_t colon = answer.find(':');
  if (colon == std::string::npos || colon + 1 >= answer.size()) return;
  const auto rank = parse_number<std::size_t>(std::string_view(answer).substr(0, colon));
  if (!rank || *rank >= ranks_.size()) return;
  Known& k = ranks_[*rank];
  const char state = answer[colon + 1];
  // The launcher has not yet asked how a process ended while it is 'Z' or 'X'.
  k.is_gone = state == '-' || state == 'Z' || state == 'X';
  k.process = k.is_gone ? std::nullopt : std::optional(state);
}

// What the ranks do now: reports come once per second only.
void Monitor::refresh(bool has_lost) {
  const auto wait_until = [this](double seconds, const auto& is_enough) {
    const double end = monotonic_seconds() + seconds;
    for (double left = seconds; left > 0 && !is_enough(); left = end - monotonic_seconds())
      handle_events(std::min(left, 0.02));
  };
  const auto is_waiting = [] {
    const auto state = flight_recorder().state();
    return std::ranges::any_of(state.channels,
                               [](const ChannelPosition& p) { return p.left < p.entered; });
  };
  if (has_lost) wait_until(kSettling, is_waiting);
  reported_.clear();
  server_->send_all(messages::kReport);
  // This thread answers for its own rank.
  take_report(make_rank_report(rank_, flight_recorder()));
  for (const Known& k : ranks_) ask(k);
  const auto have_reported = [this] {
    const double now = monotonic_seconds();
    for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
      const Known& k = known(r);
      if (k.is_connected && !k.said_bye && now - k.heard < kSilentSeconds && !reported_.contains(r))
        return false;
    }
    return true;
  };
  wait_until(has_lost ? kHastyReports : kFreshReports, have_reported);
}

std::vector<RankView> Monitor::views() const {
  const double now = monotonic_seconds();
  std::vector<RankView> all;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    const Known& k = ranks_[r];
    all.push_back(
        {static_cast<int>(r), k.report, now - k.heard, k.is_connected, k.process, k.is_gone});
  }
  return all;
}

}  // namespace valley
