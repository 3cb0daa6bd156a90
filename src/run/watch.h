// Warnings about a run that collapses, saturates or diverges, once per occurrence. Runs on rank 0,
// on values that are on the host already.
//
// Reads the metrics of stats.jsonl by name: "k", "hinge/active", "margin", "energy/real",
// "energy/fake", "M", "loss", "loss/...", "grad_norm/...". Missing metrics and values that are not
// finite are ignored. Thresholds: docs/run-directory.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
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
  // decrease: a rise is a divergence. If false, a large loss is a divergence.
  explicit RunWatch(bool energies_are_errors) : energies_are_errors_(energies_are_errors) {}

  // Warnings that begin with this report or this sample grid, or the end of a collapse. The grid at
  // step 0 is ignored.
  [[nodiscard]] std::vector<RunWarning> report(std::int64_t step, const Values& values);
  [[nodiscard]] std::vector<RunWarning> samples(std::int64_t step, const SampleDistances& found);

  // Warnings that begin with these measures of training and validation images in a training stage.
  [[nodiscard]] std::vector<RunWarning> validation(const std::string& stage, const Values& values);

  // Reads the lines of a stats.jsonl, so that a resumed run gives the warnings of an uninterrupted
  // one. Returns no warnings, as the file has them. No error if there is no file.
  void replay(const std::filesystem::path& stats_file);

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
  void watch_gradients(const Values& values, std::vector<RunWarning>& out);

  bool energies_are_errors_;
  Alarm collapse_;
  Alarm lag_;  // the averaged generator lags behind
  Persistence k_at_zero_, k_at_one_, hinge_off_, hinge_full_;
  bool hinge_seen_ = false;
  bool had_fakes_ = false;
  std::map<std::string, Rise> rises_;
  std::map<std::string, Alarm> losses_;
  std::map<std::string, Norm> norms_;
  std::map<std::string, Gap> gaps_;
};

}  // namespace valley
