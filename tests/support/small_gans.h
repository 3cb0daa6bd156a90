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

// All transforms with an adaptive strength that changes within a few steps, and clipping, warm-up
// and decay.
inline void augment(Experiment& e) {
  e.augment = {{"color", "translation", "cutout"}, std::nullopt, -1.0, 1};
  e.objective.as<MaganOptions>().pretrain_epochs = 1;
  e.optimizer.clip_norm = 0.5;
  e.optimizer.weight_decay = 0.01;
  e.optimizer.warmup_steps = 3;
  e.optimizer.lr_schedule = LrSchedule::kCosine;
}

inline std::vector<NamedTraining> small_gans() {
  std::vector<NamedTraining> all = {{"ebgan", small_objective("ebgan")},
                                    {"pulling_away", small_objective("ebgan")},
                                    {"magan", small_objective("magan")},
                                    {"shared_began", small_experiment()},
                                    {"bf16_began", small_experiment()},
                                    {"bf16_ebgan", small_objective("ebgan")},
                                    {"augmented_ebgan", small_objective("ebgan")},
                                    {"augmented_magan", small_objective("magan")},
                                    {"augmented_began", small_experiment()}};
  all[1].experiment.objective.as<EbganOptions>().pulling_away = "squared";
  // Two steps of pretraining, then two that measure.
  all[2].experiment.objective.as<MaganOptions>().pretrain_epochs = 1;
  all[3].experiment.train.schedule = UpdateSchedule::kShared;
  for (const std::size_t i : {4, 5}) all[i].experiment.train.precision = TrainingPrecision::kBf16;
  for (const std::size_t i : {6, 7, 8}) augment(all[i].experiment);
  all[8].experiment.augment.strength = 0.7;
  for (const std::string name : {"ebgan", "magan", "began"}) {
    Experiment e = small_objective(name);
    e.model.labels = 3;
    e.objective.as<EbganOptions>().classes.label_sampling = "balanced";
    e.objective.as<MaganOptions>().pretrain_epochs = 1;
    if (name == "magan") augment(e);
    all.push_back({"conditional_" + name, e});
  }
  all.push_back({"conditional_bf16_began", all.back().experiment});
  all.back().experiment.train.precision = TrainingPrecision::kBf16;
  all.back().experiment.train.schedule = UpdateSchedule::kShared;
  return all;
}

inline std::string name_of(const ::testing::TestParamInfo<NamedTraining>& info) {
  return info.param.name;
}

}  // namespace valley::testing
