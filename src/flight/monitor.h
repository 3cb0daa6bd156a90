// What the monitor of a job knows of its ranks, and its verdict if they hang. Used by the thread of
// the watchdog (watchdog.h) on rank 0, and on rank 1, the deputy.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flight/rank_report.h"
#include "flight/side_channel.h"
#include "flight/verdict.h"

namespace valley {

inline constexpr int kMonitors = 2;  // rank 0 and its deputy

// Lines between ranks and monitors, besides reports.
namespace messages {
// Of a rank: it ends in good order; it ends because of an error, which it has reported; it has
// written its record; the answer to a probe.
inline constexpr const char* kBye = "bye";
inline constexpr const char* kFailing = "failing";
inline constexpr const char* kDumped = "dumped";
inline constexpr const char* kProcess = "process ";
// Of a monitor: report now; tell the state of a process; write the record of this verdict.
inline constexpr const char* kReport = "report";
inline constexpr const char* kProbe = "probe ";
inline constexpr const char* kDump = "dump ";
}  // namespace messages

// The rest of `line` if it begins with `message`.
[[nodiscard]] std::optional<std::string> after(const char* message, const std::string& line);

// The answer to a probe "3:1234", a rank and its process: "3:S" with its state by /proc, or "3:-"
// if it has ended.
[[nodiscard]] std::string answer_probe(const std::string& entry);

class Monitor {
 public:
  Monitor(int rank, int size, double timeout_s, std::unique_ptr<SideChannelServer> server);

  // Handles what arrives within `seconds`, before the job is watched.
  void listen(double seconds) { handle_events(seconds); }
  // Handles what has arrived; a verdict if the job hangs or has lost a rank.
  [[nodiscard]] std::optional<Verdict> watch();
  // Makes the ranks that answer write their records, and waits for them, up to three seconds.
  void collect(const Verdict& verdict);
  // Stays until the other ranks have said farewell, or for a short time.
  void drain();

  void add_waits(std::vector<::pollfd>& waits) const { server_->add_waits(waits); }
  // True while a rank's end is being looked into: `watch` should be called often.
  [[nodiscard]] bool is_busy() const;

 private:
  struct Known {
    std::optional<RankReport> report;
    double heard = 0;
    bool is_connected = false;
    bool said_bye = false;
    std::optional<double> lost_since;  // its connection ended without a farewell
    std::optional<char> process;
    bool is_gone = false;
  };
  [[nodiscard]] Known& known(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }
  void handle_events(double seconds);
  void handle(const ChannelEvent& event);
  void take_report(RankReport report);
  void take_process(const std::string& answer);
  void forgive(double now);
  [[nodiscard]] bool has_lost_rank(double now);
  bool ask(const Known& about);
  void refresh(bool has_lost);
  [[nodiscard]] std::vector<RankView> views() const;

  int rank_;
  std::string machine_ = this_machine();
  double timeout_;
  std::unique_ptr<SideChannelServer> server_;
  std::vector<Known> ranks_;
  std::set<int> reported_;  // since the last request for reports
  std::set<int> dumped_;
  double changed_;
  double watched_;
  bool is_failing_ = false;  // a rank ends the job because of an error
};

}  // namespace valley
