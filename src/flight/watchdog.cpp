#include "flight/watchdog.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/start_threads.h"
#include "core/text.h"
#include "flight/flight_recorder.h"
#include "flight/monitor.h"
#include "flight/rank_report.h"
#include "flight/side_channel.h"
#include "flight/stack_traces.h"

namespace valley {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr double kTick = 1;         // seconds between reports
constexpr double kBusyTick = 0.05;  // while a rank's end is looked into

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
                      {"called_s_ago", now - c.called_s}};
  const auto ago = [now](double then) {
    return then > 0 ? OrderedJson(now - then) : OrderedJson(nullptr);
  };
  json["entered_s_ago"] = ago(c.entered_s);
  json["left_s_ago"] = ago(c.left_s);
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
  RunningWatchdog(WatchdogSettings settings, std::unique_ptr<Monitor> monitor,
                  std::vector<std::unique_ptr<SideChannelClient>> clients)
      : settings_(std::move(settings)), clients_(std::move(clients)), monitor_(std::move(monitor)) {
    prepare_stack_traces();
    // Before training starts: a monitor must know each process, also of a rank that stops at once.
    const std::string line = report();
    for (const auto& client : clients_) client->send(line);
    thread_ = start_thread("watching over the ranks", [this] { watch(); });
  }

  ~RunningWatchdog() override {
    is_failing_ = std::uncaught_exceptions() > exceptions_when_built_;
    is_ending_ = true;
    wake_up_.call();
    thread_.join();
  }

  void set_folder(const std::filesystem::path& folder) override {
    const std::lock_guard lock(mutex_);
    folder_ = folder;
  }

 private:
  [[nodiscard]] std::string report() const {
    return to_json_line(make_rank_report(settings_.rank, flight_recorder()));
  }

  void watch() {
    ::pthread_setname_np(::pthread_self(), "watchdog");
    double reported = 0;
    while (!is_ending_) {
      const double now = monotonic_seconds();
      if (now - reported >= kTick) {
        reported = now;
        const std::string line = report();
        for (const auto& client : clients_) client->send(line);
      }
      const bool is_busy = monitor_ && monitor_->is_busy();
      wait(is_busy ? kBusyTick : std::max(0.0, reported + kTick - now));
      if (monitor_) {
        if (const auto verdict = monitor_->watch()) give(*verdict);
      }
      for (const auto& client : clients_)
        for (const std::string& line : client->poll(0)) obey(*client, line);
    }
    say_goodbye();
  }

  // Until something arrives, the watchdog ends or it is time for a report.
  void wait(double seconds) {
    std::vector<::pollfd> waits;
    wake_up_.add_waits(waits);
    if (monitor_) monitor_->add_waits(waits);
    for (const auto& client : clients_) client->add_waits(waits);
    wait_for(waits, seconds);
  }

  // A monitor stays until the others have ended, as they report to it.
  void say_goodbye() {
    for (const auto& client : clients_)
      client->send(is_failing_ ? messages::kFailing : messages::kBye);
    for (const auto& client : clients_) static_cast<void>(client->poll(0));
    if (monitor_ && !is_failing_) monitor_->drain();
  }

  void obey(SideChannelClient& client, const std::string& line) {
    if (line == messages::kReport) {
      client.send(report());
    } else if (const auto entry = after(messages::kProbe, line)) {
      client.send(messages::kProcess + answer_probe(*entry));
    } else if (const auto verdict = after(messages::kDump, line)) {
      dump(*verdict);
      client.send(messages::kDumped);
      // The rank that judged ends the job; if it cannot, each rank ends.
      wait_and_end();
    }
  }

  void wait_and_end() {
    const double end = monotonic_seconds() + kEndPatience;
    while (monotonic_seconds() < end) {
      for (const auto& client : clients_) static_cast<void>(client->poll(0));  // answers nothing
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
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
    settings_.report(verdict);
    dump(to_json(verdict));
    monitor_->collect(verdict);
    settings_.end_job(verdict);
  }

  static constexpr double kEndPatience = 8;

  WatchdogSettings settings_;
  std::vector<std::unique_ptr<SideChannelClient>> clients_;
  std::unique_ptr<Monitor> monitor_;
  std::mutex mutex_;
  std::filesystem::path folder_;
  int exceptions_when_built_ = std::uncaught_exceptions();
  std::atomic<bool> is_failing_ = false;
  std::atomic<bool> is_ending_ = false;
  WakeUp wake_up_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Watchdog> start_watchdog(const WatchdogSettings& settings,
                                         const StartCalls& calls) {
  const std::string token = calls.broadcast(settings.rank == 0 ? make_token() : "");
  const std::vector<std::string> machines = calls.gather(this_machine());
  std::unique_ptr<Monitor> monitor;
  std::string offer;
  std::string failure;
  if (settings.rank < kMonitors) {
    try {
      auto server =
          std::make_unique<SideChannelServer>(addresses_for(machines), token, settings.size);
      for (const std::string& endpoint : server->endpoints()) offer += endpoint + "\n";
      monitor = std::make_unique<Monitor>(settings.rank, settings.size, settings.hang_timeout_s,
                                          std::move(server));
    } catch (const Error& error) {
      failure = error.what();
    }
  }
  const std::vector<std::string> offers = calls.gather(offer);
  // Monitors answer while the ranks connect, and hear those that are early.
  std::vector<std::unique_ptr<SideChannelClient>> clients;
  {
    std::atomic<bool> done = false;
    std::thread greeter;
    if (monitor) {
      greeter = start_thread("greeting the ranks", [&] {
        while (!done) monitor->listen(0.01);
      });
    }
    for (int m = 0; m < std::min(kMonitors, settings.size); ++m) {
      const auto endpoints = lines_of(offers[static_cast<std::size_t>(m)]);
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
  return std::make_unique<RunningWatchdog>(settings, std::move(monitor), std::move(clients));
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
