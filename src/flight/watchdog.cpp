#include "flight/watchdog.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/numbers.h"
#include "core/start_threads.h"
#include "core/text.h"
#include "flight/flight_recorder.h"
#include "flight/rank_report.h"
#include "flight/side_channel.h"
#include "flight/stack_traces.h"

namespace valley {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr double kTick = 1;          // seconds between reports
constexpr double kDeadGrace = 2;     // a rank that ends in good order says so before
constexpr double kDumpPatience = 3;  // for the records of other ranks
constexpr double kDeputyGrace = 3;   // the monitor judges first
constexpr int kMonitors = 2;

constexpr const char* kBye = "bye";
constexpr const char* kDump = "dump ";
constexpr const char* kDumped = "dumped";
constexpr const char* kProbe = "probe ";
constexpr const char* kProcess = "process ";

// "3:1234", a rank and its process, as "3:S" with its state by /proc, or "3:-" if it has ended.
std::string answer_probe(const std::string& entry) {
  const std::size_t colon = entry.find(':');
  if (colon == std::string::npos) return entry;
  const auto pid = parse_number<std::int64_t>(std::string_view(entry).substr(colon + 1));
  return entry.substr(0, colon + 1) + (pid ? process_state(*pid) : std::nullopt).value_or('-');
}

// What a monitor knows.
class Monitor {
 public:
  Monitor(int rank, int size, double timeout, std::unique_ptr<SideChannelServer> server)
      : rank_(rank),
        timeout_(timeout),
        server_(std::move(server)),
        ranks_(static_cast<std::size_t>(size)) {
    changed_ = monotonic_seconds();
    for (int r = 0; r < size; ++r)
      ranks_[static_cast<std::size_t>(r)].is_connected = server_->is_connected(r);
    dumped_.insert(rank);  // writes its own record first
  }

  // Handles what has arrived; a verdict if the job hangs.
  std::optional<Verdict> watch(double seconds) {
    for (ChannelEvent& event : server_->poll(seconds)) handle(event);
    const double now = monotonic_seconds();
    if (now - watched_ > kSilentSeconds) forgive(now);
    watched_ = now;
    const bool has_lost = find_lost(now);
    if (!has_lost && now - changed_ < timeout_) return std::nullopt;
    // The deputy leaves the verdict to rank 0 while that answers.
    if (rank_ != 0 && now - ranks_[0].heard < kSilentSeconds + kDeputyGrace && !ranks_[0].is_lost)
      return std::nullopt;
    probe(now);
    return judge(views(now));
  }

  // Makes all ranks write their records, and waits for them.
  void collect(const Verdict& verdict) {
    server_->send_all(kDump + to_json(verdict));
    const double end = monotonic_seconds() + kDumpPatience;
    while (monotonic_seconds() < end && dumped_.size() < ranks_.size())
      for (ChannelEvent& event : server_->poll(0.1)) handle(event);
  }

  // Stays until the other ranks have said farewell, or for a short time.
  void drain() {
    const double end = monotonic_seconds() + kDeadGrace;
    while (monotonic_seconds() < end && !all_said_bye())
      for (ChannelEvent& event : server_->poll(0.05)) handle(event);
  }

 private:
  [[nodiscard]] bool all_said_bye() const {
    return std::ranges::all_of(ranks_, [](const Known& known) { return known.said_bye; });
  }

  struct Known {
    std::optional<RankReport> report;
    double heard = monotonic_seconds();
    bool is_connected = false;
    bool said_bye = false;
    bool is_lost = false;  // its connection ended without a farewell
    double lost_since = 0;
    std::optional<char> process;
    bool is_gone = false;
    bool asked = false;  // about its process
  };

  // After this process itself was stopped, as when Slurm suspends the job: all times start again.
  void forgive(double now) {
    changed_ = now;
    for (Known& known : ranks_) known.heard = now;
  }

  void handle(ChannelEvent& event) {
    Known& known = ranks_[static_cast<std::size_t>(event.rank)];
    const double now = monotonic_seconds();
    switch (event.kind) {
      case ChannelEvent::Kind::kJoined:
        known.is_connected = true;
        known.heard = now;
        return;
      case ChannelEvent::Kind::kClosed:
        known.is_connected = false;
        if (!known.said_bye) {
          known.is_lost = true;
          known.lost_since = now;
        }
        return;
      default:
        known.heard = now;
    }
    if (event.line == kBye) {
      known.said_bye = true;
    } else if (event.line == kDumped) {
      dumped_.insert(event.rank);
    } else if (event.line.starts_with(kProcess)) {
      take_process(event.line.substr(std::string_view(kProcess).size()));
    } else if (auto report = parse_rank_report(event.line); report && report->rank == event.rank) {
      if (!known.report || known.report->state.progress != report->state.progress) changed_ = now;
      known.report = std::move(report);
    }
  }

  // True if a rank's connection has ended, and with it the process.
  bool find_lost(double now) {
    bool found = false;
    for (Known& known : ranks_) {
      if (!known.is_lost || known.said_bye || now - known.lost_since < kDeadGrace) continue;
      if (!known.is_gone && !known.asked) {
        known.asked = true;
        ask(known);
      }
      found = found || known.is_gone;
    }
    return found;
  }

  // Asks about the processes of all ranks: /proc on this host, and the ranks of the others.
  void probe(double now) {
    for (const Known& known : ranks_) ask(known);
    const double end = now + 1;
    while (monotonic_seconds() < end)
      for (ChannelEvent& event : server_->poll(0.1)) handle(event);
  }

  void ask(const Known& about) {
    if (!about.report) return;
    const std::string entry = fmt::format("{}:{}", about.report->rank, about.report->pid);
    if (about.report->machine == machine_) {
      take_process(answer_probe(entry));
      return;
    }
    for (const Known& known : ranks_)
      if (known.report && known.is_connected && known.report->machine == about.report->machine)
        server_->send(known.report->rank, kProbe + entry);
  }

  // An answer of answer_probe.
  void take_process(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos || colon + 1 >= text.size()) return;
    const auto rank = parse_number<std::size_t>(std::string_view(text).substr(0, colon));
    if (!rank || *rank >= ranks_.size()) return;
    Known& known = ranks_[*rank];
    known.is_gone = text[colon + 1] == '-';
    if (!known.is_gone) known.process = text[colon + 1];
  }

  [[nodiscard]] std::vector<RankView> views(double now) const {
    std::vector<RankView> all;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const Known& known = ranks_[r];
      all.push_back({static_cast<int>(r), known.report, now - known.heard, known.is_connected,
                     known.process, known.is_gone});
    }
    return all;
  }

  int rank_;
  std::string machine_ = this_machine();
  double timeout_;
  std::unique_ptr<SideChannelServer> server_;
  std::vector<Known> ranks_;
  std::set<int> dumped_;
  double changed_ = 0;
  double watched_ = monotonic_seconds();
};

OrderedJson trace_json(const ThreadTrace& trace) {
  return {{"thread", trace.thread},
          {"name", trace.name},
          {"state", std::string(1, trace.state)},
          {"frames", trace.frames}};
}

OrderedJson collective_json(const RecordedCollective& c, double now) {
  OrderedJson json = {{"channel", c.channel == 0 ? "host" : "device"},
                      {"number", c.number},
                      {"collective", name_of(c.call.kind)},
                      {"type", c.call.type},
                      {"elements", c.call.elements},
                      {"bytes", c.call.bytes},
                      {"phase", c.phase},
                      {"step", c.step},
                      {"entered_s_ago", now - c.entered_s}};
  json["left_s_ago"] = c.left_s > 0 ? OrderedJson(now - c.left_s) : OrderedJson(nullptr);
  return json;
}

// One line per endpoint.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (end > start) lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

// The addresses for a monitor of ranks on `machines`.
std::vector<std::string> addresses_for(const std::vector<std::string>& machines) {
  std::vector<std::string> addresses = own_addresses();
  const bool is_one_machine = std::ranges::all_of(
      machines, [&](const std::string& machine) { return machine == machines.front(); });
  if (is_one_machine) return {addresses.back()};
  if (addresses.size() > 1) addresses.pop_back();
  return addresses;
}

class RunningWatchdog final : public Watchdog {
 public:
  RunningWatchdog(WatchdogSettings settings, std::unique_ptr<SideChannelServer> server,
                  std::vector<std::unique_ptr<SideChannelClient>> clients)
      : settings_(std::move(settings)), clients_(std::move(clients)) {
    if (server)
      monitor_.emplace(settings_.rank, settings_.size, settings_.hang_timeout_s, std::move(server));
    prepare_stack_traces();
    // Before training starts: a monitor must know each process, also of a rank that stops at once.
    const std::string line = to_json_line(make_rank_report(settings_.rank, flight_recorder()));
    for (const auto& client : clients_) client->send(line);
    thread_ = start_thread("watching over the ranks", [this] { watch(); });
  }

  ~RunningWatchdog() override {
    is_ending_ = true;
    thread_.join();
  }

  void set_folder(const std::filesystem::path& folder) override {
    const std::lock_guard lock(mutex_);
    folder_ = folder;
  }

 private:
  void watch() {
    double reported = 0;
    while (!is_ending_) {
      const double now = monotonic_seconds();
      if (now - reported >= kTick) {
        reported = now;
        const std::string line = to_json_line(make_rank_report(settings_.rank, flight_recorder()));
        for (const auto& client : clients_) client->send(line);
      }
      if (monitor_) {
        if (const auto verdict = monitor_->watch(kPoll)) give(*verdict);
      }
      for (std::size_t i = 0; i < clients_.size(); ++i)
        for (const std::string& line : clients_[i]->poll(monitor_ ? 0 : kPoll))
          obey(*clients_[i], line);
    }
    say_goodbye();
  }

  // A monitor stays until the others have ended, as they report to it.
  void say_goodbye() {
    for (const auto& client : clients_) client->send(kBye);
    for (const auto& client : clients_) static_cast<void>(client->poll(0));
    if (monitor_) monitor_->drain();
  }

  void obey(SideChannelClient& client, const std::string& line) {
    if (line.starts_with(kProbe)) {
      client.send(kProcess + answer_probe(line.substr(std::string_view(kProbe).size())));
    } else if (line.starts_with(kDump)) {
      dump(line.substr(std::string_view(kDump).size()));
      client.send(kDumped);
      // The rank that judged ends the job; if it cannot, each rank ends.
      wait_and_end();
    }
  }

  void wait_and_end() {
    const double end = monotonic_seconds() + kEndPatience;
    while (monotonic_seconds() < end)
      for (const auto& client : clients_) static_cast<void>(client->poll(kPoll));
    settings_.end_rank();
  }

  void dump(const std::string& verdict_json) {
    std::filesystem::path folder;
    {
      const std::lock_guard lock(mutex_);
      folder = folder_;
    }
    if (folder.empty()) return;
    try {
      std::filesystem::create_directories(folder);
      write_file(folder / fmt::format("rank-{}.json", settings_.rank),
                 flight_record(settings_.rank, verdict_json));
    } catch (const std::exception& error) {
      log::warn("the flight record could not be written: {}", error.what());
    }
  }

  void give(const Verdict& verdict) {
    dump(to_json(verdict));
    monitor_->collect(verdict);
    settings_.end_job(verdict);
  }

  static constexpr double kPoll = 0.05;
  static constexpr double kEndPatience = 8;

  WatchdogSettings settings_;
  std::vector<std::unique_ptr<SideChannelClient>> clients_;
  std::optional<Monitor> monitor_;
  std::mutex mutex_;
  std::filesystem::path folder_;
  std::atomic<bool> is_ending_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Watchdog> start_watchdog(const WatchdogSettings& settings,
                                         const StartCalls& calls) {
  const std::string token = calls.broadcast(settings.rank == 0 ? make_token() : "");
  const std::vector<std::string> machines = calls.gather(this_machine());
  std::unique_ptr<SideChannelServer> server;
  std::string offer;
  std::string failure;
  if (settings.rank < kMonitors) {
    try {
      server = std::make_unique<SideChannelServer>(addresses_for(machines), token, settings.size);
      for (const std::string& endpoint : server->endpoints()) offer += endpoint + "\n";
    } catch (const Error& error) {
      failure = error.what();
    }
  }
  const std::vector<std::string> offers = calls.gather(offer);
  // Monitors answer while the ranks connect.
  std::vector<std::unique_ptr<SideChannelClient>> clients;
  {
    std::atomic<bool> done = false;
    std::thread greeter;
    if (server) {
      greeter = start_thread("greeting the ranks", [&] {
        while (!done) static_cast<void>(server->poll(0.01));
      });
    }
    for (int monitor = 0; monitor < std::min(kMonitors, settings.size); ++monitor) {
      const auto endpoints = lines_of(offers[static_cast<std::size_t>(monitor)]);
      try {
        clients.push_back(std::make_unique<SideChannelClient>(endpoints, token, settings.rank));
      } catch (const Error& error) {
        if (failure.empty()) failure = error.what();
      }
    }
    const std::vector<std::string> failures = calls.gather(failure);
    done = true;
    if (greeter.joinable()) greeter.join();
    for (std::size_t rank = 0; rank < failures.size(); ++rank) {
      if (failures[rank].empty()) continue;
      if (settings.rank == 0)
        log::warn("no watchdog for ranks that hang: rank {}: {}", rank, failures[rank]);
      return nullptr;
    }
  }
  return std::make_unique<RunningWatchdog>(settings, std::move(server), std::move(clients));
}

std::string to_json(const Verdict& v) {
  return write_json(OrderedJson({{"kind", name_of(v.kind)},
                                 {"ranks", v.ranks},
                                 {"step", v.step},
                                 {"collective", v.collective},
                                 {"text", v.text}}));
}

std::string flight_record(int rank, const std::string& verdict_json) {
  const RankReport report = make_rank_report(rank, flight_recorder());
  const double now = monotonic_seconds();
  OrderedJson collectives = OrderedJson::array();
  for (const RecordedCollective& c : flight_recorder().collectives())
    collectives.push_back(collective_json(c, now));
  OrderedJson threads = OrderedJson::array();
  for (const ThreadTrace& trace : stack_traces()) threads.push_back(trace_json(trace));
  const OrderedJson verdict = try_parse_json<OrderedJson>(verdict_json);
  return write_json(
             OrderedJson({{"format", "valley flight record 1"},
                          {"rank", rank},
                          {"host", report.host},
                          {"pid", report.pid},
                          {"time", utc_now()},
                          {"verdict", verdict.is_discarded() ? OrderedJson(nullptr) : verdict},
                          {"step", report.state.step},
                          {"phase", report.state.phase},
                          {"activity", name_of(report.state.activity)},
                          {"activity_s", report.activity_s},
                          {"collectives", collectives},
                          {"threads", threads}}),
             1) +
         "\n";
}

}  // namespace valley
