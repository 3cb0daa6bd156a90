// Where the ranks spend the time of their steps, gathered once per report, and the work of these
// steps relative to the peak of the devices.
//
// On CPUs the time of a step outside of collectives and of waiting for images is computation: a
// slow rank computes longest and makes the others wait. On GPUs the host queues the work and waits
// for the device, so its times do not tell which device is slow.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "experiment/experiment.h"
#include "plan/peak_rate.h"
#include "train/trainer.h"

namespace valley {

// Seconds per step of one rank, since the last report.
struct RankTimes {
  std::string host;
  double compute = 0;  // the step without `wait`
  double wait = 0;     // in collectives
  double data = 0;     // waiting for images
};

// Peak of all ranks together.
struct JobPeak {
  double flops_per_s = 0;
  bool is_published = false;  // otherwise measured
  double seconds = 0;         // that measuring took
};

struct JobReport {
  std::int64_t steps = 0;        // since the last report
  std::vector<RankTimes> ranks;  // by rank
  std::optional<double> flops;   // done by all ranks; nullopt if a stage has no count
  std::optional<JobPeak> peak;   // nullopt if that of a device is unknown
  bool is_peak_new = false;      // this report found it
};

class StepTimes {
 public:
  // Collective. `peak` is set by a report (0 FLOP/s: unknown) and kept by the caller, as a rescue
  // starts new StepTimes. All arguments must outlive this object. `last_step`: of the training.
  StepTimes(World& world, const Experiment& experiment, std::int64_t last_step,
            std::optional<JobPeak>& peak);

  // Around each step, until its status is known.
  void begin_step();
  void end_step(const Trainer& trainer);

  // Collective in steps with a report: the first one, multiples of train.report_every, the last
  // one, and with `is_last`; nullopt in others. `data_seconds`: total time that this rank has
  // waited for images. The first report after kPatience of training and step 1 also finds the peak.
  [[nodiscard]] std::optional<JobReport> report(const Trainer& trainer, double data_seconds,
                                                bool is_last);

  static constexpr double kPatience = 2;       // seconds; short trainings do not measure the peak
  static constexpr double kMeasurement = 0.1;  // seconds

 private:
  [[nodiscard]] std::optional<double> flops_of(const Trainer& trainer);
  [[nodiscard]] std::vector<std::vector<double>> gather(const std::vector<double>& own);
  void find_peak();

  World& world_;
  const Experiment& experiment_;
  std::int64_t last_step_;
  std::optional<JobPeak>& peak_;
  std::vector<std::string> hosts_;
  double began_;  // this object, monotonic seconds
  double step_began_ = 0;
  double waited_ = 0;  // collective_seconds() then
  // Since the last report.
  std::int64_t steps_ = 0;
  double compute_ = 0;
  double wait_ = 0;
  std::optional<double> flops_ = 0;
  double data_before_ = 0;
  std::map<const Stage*, std::optional<double>> known_flops_;  // per step
};

// Median of `values`, which are not empty.
[[nodiscard]] double median(std::vector<double> values);

// The rank with the largest time, relative to the median of the others.
struct Slowest {
  int rank = 0;
  double spread = 0;  // its time divided by that median, minus 1; 0 with one rank
};
[[nodiscard]] Slowest slowest(const std::vector<double>& times);

}  // namespace valley
