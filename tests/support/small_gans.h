// A small training of each objective of autoencoder GANs, by name: 8 images per step, microbatches
// of 2.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "methods/ebgan/options.h"
#include "methods/magan/options.h"
#include "support/small_training.h"

namespace valley::testing {

inline constexpr std::int64_t kPass = 2;

struct NamedTraining {
  std::string name;
  Experiment experiment;
};
inline void PrintTo(const NamedTraining& training, std::ostream* out) { *out << training.name; }

// The paper's settings, with the size and learning rate of small_experiment.
inline Experiment small_objective(const std::string& name) {
  const Experiment small = small_experiment();
  Experiment e = Experiment::with_defaults_of(name);
  e.model.resolution = small.model.resolution;
  e.model.width = small.model.width;
  e.model.latent = small.model.latent;
  e.model.hidden = small.model.hidden;
  e.train = small.train;
  e.train.report_every = 1;
  e.optimizer.lr = small.optimizer.lr;
  return e;
}

inline std::vector<NamedTraining> small_gans() {
  std::vector<NamedTraining> all = {
      {"ebgan", small_objective("ebgan")}, {"pulling_away", small_objective("ebgan")},
      {"magan", small_objective("magan")}, {"shared_began", small_experiment()},
      {"bf16_began", small_experiment()},  {"bf16_ebgan", small_objective("ebgan")}};
  all[1].experiment.objective.as<EbganOptions>().pulling_away = "squared";
  // Two steps of pretraining, then two that measure.
  all[2].experiment.objective.as<MaganOptions>().pretrain_epochs = 1;
  all[3].experiment.train.schedule = UpdateSchedule::kShared;
  for (const std::size_t i : {4, 5}) all[i].experiment.train.precision = TrainingPrecision::kBf16;
  return all;
}

inline std::string name_of(const ::testing::TestParamInfo<NamedTraining>& info) {
  return info.param.name;
}

}  // namespace valley::testing
