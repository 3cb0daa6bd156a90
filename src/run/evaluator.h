// The evaluations of a run in training (evaluate.every): a smaller `valley evaluate` of the samples
// as they are now.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "data/dataset.h"
#include "evaluate/evaluation.h"
#include "experiment/experiment.h"
#include "train/trainer.h"

namespace valley {

struct RunEvaluation {
  std::int64_t samples = 0;
  std::vector<Metric> metrics;
};
// One line: "evaluated 1000 samples: swd 12.30 (floor 2.10), ...".
[[nodiscard]] std::string describe(const RunEvaluation& found);

// Error kData where evaluate.every asks for evaluations and `dataset` has too few images, or images
// that cannot be measured.
void require_evaluable(const Experiment& experiment, const Dataset& dataset);

class RunEvaluator {
 public:
  // The images of data that samples are compared with are the same ones throughout the run. Errors
  // as require_evaluable's.
  RunEvaluator(World& world, const Experiment& experiment, std::shared_ptr<const Dataset> dataset);

  // Collective; the same on every rank. Samples are those of seeds 0, 1, 2, ..., by the averaged
  // generator where there is one; each rank draws its share. Models without a generator give rank
  // 0's samples. Nothing that training continues from changes.
  [[nodiscard]] RunEvaluation evaluate(const Trainer& trainer);

 private:
  [[nodiscard]] std::unique_ptr<SampleSource> source_of(const Trainer& trainer);
  void prepare(std::int64_t samples);

  World& world_;
  const Experiment& experiment_;
  std::shared_ptr<const Dataset> dataset_;
  std::int64_t wanted_;
  std::int64_t samples_ = 0;  // of `evaluator_`
  std::unique_ptr<Evaluator> evaluator_;
};

}  // namespace valley
