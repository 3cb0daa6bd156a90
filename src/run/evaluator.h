// Evaluations during training (evaluate.every): a smaller `valley evaluate` of the current samples.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

// Error kData if evaluate.every is set and `dataset` has too few images, or images of a size that
// cannot be measured.
void require_evaluable(const Experiment& experiment, const Dataset& dataset);

class RunEvaluator {
 public:
  // Compares samples with the same images throughout the run. Errors as in require_evaluable.
  RunEvaluator(World& world, const Experiment& experiment, std::shared_ptr<const Dataset> dataset);

  // Collective; all ranks return the same. Samples have the seeds 0, 1, 2, ...; the averaged
  // generator draws them if there is one, each rank its share. Models without a generator: samples
  // of rank 0; if these are too few to compare, a warning and nothing else. Does not change the
  // training state.
  [[nodiscard]] std::optional<RunEvaluation> evaluate(const Trainer& trainer);

 private:
  [[nodiscard]] std::unique_ptr<SampleSource> source_of(const Trainer& trainer);
  void prepare(std::int64_t samples);

  World& world_;
  const Experiment& experiment_;
  std::shared_ptr<const Dataset> dataset_;
  std::int64_t wanted_;
  bool is_warned_ = false;
  std::int64_t samples_ = 0;  // sample count of `evaluator_`
  std::unique_ptr<Evaluator> evaluator_;
};

}  // namespace valley
