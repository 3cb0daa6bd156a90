// Looks at what a run reports and says in words, once each time, that it collapses, saturates or
// diverges. Rank 0's work, on numbers that are on the host already.
//
// It goes by the names of stats.jsonl: "k", "hinge/active", "margin", "energy/real", "energy/fake",
// "M", "loss", "loss/...", "grad_norm/..."; what a run does not report is not looked at, nor is a
// number that is not finite. docs/training.md states the thresholds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace valley {

struct RunWarning {
  // "collapse", "saturation", "margin", "divergence", "gradient", "overfitting"; "recovery" of a
  // collapse.
  std::string kind;
  std::string text;  // a sentence without a full stop, with the figures
};

// Mean pairwise distances of images (models/sampling.h).
struct SampleDistances {
  double fake = 0;            // samples of the grid
  double real = 0;            // images of the data
  std::optional<double> raw;  // without averaged weights, where the grid is drawn with them
};

class RunWatch {
 public:
  using Values = std::map<std::string, double>;

  // `energies_are_errors`: they are reconstruction errors, which are never negative and fall; else
  // energies of either sign, of which the loss is looked at.
  explicit RunWatch(bool energies_are_errors) : energies_are_errors_(energies_are_errors) {}

  // One report, and one grid of samples with their mean pairwise distance and that of the data:
  // what begins to be wrong with it, or that a collapse is over. The grid of the first weights,
  // step 0, says nothing.
  [[nodiscard]] std::vector<RunWarning> report(std::int64_t step, const Values& values);
  [[nodiscard]] std::vector<RunWarning> samples(std::int64_t step, const SampleDistances& found);

  // What was measured of training and of validation images in a stage of the training.
  [[nodiscard]] std::vector<RunWarning> validation(const std::string& stage, const Values& values);

  // Takes in the lines of a stats.jsonl, so that a resumed run warns as one that was never stopped;
  // nothing where there is no file. Warnings of that time are in the file.
  void replay(const std::filesystem::path& stats_file);

 private:
  // On from where `begins` held in `needed` observations in a row, until `ends` holds.
  struct Alarm {
    int in_a_row = 0;
    bool on = false;
    bool observe(bool begins, bool ends, int needed);  // whether it goes on now
  };
  // The same by steps: a condition that held in at least kLongReports reports and kLongSteps steps.
  struct Stay {
    std::int64_t reports = 0;
    std::int64_t since = 0;
    bool told = false;
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
    double least = 0;
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
  Stay k_at_zero_, k_at_one_, hinge_off_, hinge_full_;
  bool hinge_seen_ = false;
  bool had_fakes_ = false;
  std::map<std::string, Rise> rises_;
  std::map<std::string, Alarm> losses_;
  std::map<std::string, Norm> norms_;
  std::map<std::string, Gap> gaps_;
};

}  // namespace valley
