// Warnings about a run that collapses, saturates or diverges, once per occurrence. Runs on rank 0,
// on values that are on the host already.
//
// Reads the metrics of stats.jsonl by name: "k", "hinge/active", "margin", "energy/real",
// "energy/fake", "energy/gap", "M", "loss", "loss/...", "grad_norm/..."; of evaluations "coverage".
// Missing metrics and values that are not finite are ignored. Thresholds: docs/run-directory.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace valley {

struct RunWarning {
  // "collapse", "average", "saturation", "margin", "divergence", "gradient", "overfitting", or
  // "recovery" from a collapse.
  std::string kind;
  std::string text;  // a sentence with the values, without a full stop
};

// Mean pairwise distances of images (nn/sampling.h).
struct SampleDistances {
  double fake = 0;            // samples of the grid
  double real = 0;            // images of the data
  std::optional<double> raw;  // samples of the trained weights, if `fake` uses averaged weights
};

class RunWatch {
 public:
  using Values = std::map<std::string, double>;

  // `energies_are_errors`: true if energies are reconstruction errors, which are not negative and
  // decrease: a rise is a divergence. If false, a large loss is a divergence, and so is a gap of
  // the energies at `separating_gap` (Method::separating_gap) with an energy that is flat along
  // chains.
  explicit RunWatch(bool energies_are_errors, std::optional<double> separating_gap = std::nullopt)
      : energies_are_errors_(energies_are_errors), separating_gap_(separating_gap) {}

  // Warnings that begin with this report or this sample grid, or the end of a collapse. The grid at
  // step 0 is ignored.
  [[nodiscard]] std::vector<RunWarning> report(std::int64_t step, const Values& values);
  [[nodiscard]] std::vector<RunWarning> samples(std::int64_t step, const SampleDistances& found);

  // Warnings that begin with the metrics of an evaluation, or the end of a collapse.
  [[nodiscard]] std::vector<RunWarning> evaluation(const Values& values);

  // Warnings that begin with these measures of training and validation images in a training stage.
  [[nodiscard]] std::vector<RunWarning> validation(const std::string& stage, const Values& values);

  // Reads the lines of a stats.jsonl, so that a resumed run gives the warnings of an uninterrupted
  // one. Returns no warnings, as the file has them. No error if there is no file.
  void replay(const std::filesystem::path& stats_file);

  // The warning of a condition that holds now and from which a training seldom returns: a
  // divergence, or a collapse of samples that varied before.
  [[nodiscard]] std::optional<RunWarning> lost() const;
  // True if a checkpoint of step `saved` is healthy: the last report, grid and evaluation
  // showed nothing of a divergence or a collapse, also less than a warning needs; the report is
  // later, and the grid is not earlier.
  [[nodiscard]] bool is_healthy(std::int64_t saved) const;

 private:
  // Switches on when `begins` was true in `needed` observations in a row, and off when `ends` is
  // true.
  struct Alarm {
    int in_a_row = 0;
    bool on = false;
    bool observe(bool begins, bool ends, int needed);  // true if it switches on now
  };
  // A condition that was true for at least kLongReports reports in a row and kLongSteps steps.
  struct Persistence {
    std::int64_t reports = 0;
    std::int64_t since = 0;
    bool reported = false;
    bool observe(std::int64_t step, bool holds);
  };
  struct Rise {
    double best = 0;
    bool known = false;
    Alarm alarm;
  };
  struct Norm {
    double mean_log = 0;
    int reports = 0;
    Alarm alarm;
  };
  struct Gap {
    std::string stage;
    double min_gap = 0;
    Alarm alarm;
  };
  void watch_k(std::int64_t step, const Values& values, std::vector<RunWarning>& out);
  void watch_hinge(std::int64_t step, const Values& values, std::vector<RunWarning>& out);
  void watch_rise(const Values& values, std::vector<RunWarning>& out);
  void watch_loss(const Values& values, std::vector<RunWarning>& out);
  void watch_gap(const Values& values, std::vector<RunWarning>& out);
  // Adds a warning that begins now, and keeps it for `lost` while its alarm is on.
  void note(const std::string& condition, const Alarm& alarm, bool begins, RunWarning warning,
            std::vector<RunWarning>& out);
  [[nodiscard]] bool shows_divergence() const;
  void watch_gradients(const Values& values, std::vector<RunWarning>& out);

  bool energies_are_errors_;
  std::optional<double> separating_gap_;
  Alarm collapse_;
  Alarm separation_;
  Alarm uncovered_;  // coverage of evaluations
  double best_coverage_ = 0;
  bool is_separating_ = false;  // an EBM's gap is above that of mixed energies
  double max_slope_ = 0;        // largest gradient along an EBM's chains
  bool has_varied_ = false;     // samples did not look collapsed in some grid
  std::int64_t last_report_ = 0;
  std::int64_t last_grid_ = 0;
  std::map<std::string, RunWarning> lost_;  // by condition, of alarms that are on
  Alarm lag_;                               // the averaged generator lags behind
  Persistence k_at_zero_, k_at_one_, hinge_off_, hinge_full_;
  bool hinge_seen_ = false;
  bool had_fakes_ = false;
  std::map<std::string, Rise> rises_;
  std::map<std::string, Alarm> losses_;
  std::map<std::string, Norm> norms_;
  std::map<std::string, Gap> gaps_;
};

// The numbers of the rescues in a stats.jsonl.
[[nodiscard]] std::set<std::int64_t> rescues_in(const std::filesystem::path& stats_file);

}  // namespace valley
