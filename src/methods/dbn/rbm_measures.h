// Per-image measures of a restricted Boltzmann machine, for progress and overfitting.
#pragma once

#include <ATen/core/Tensor.h>

#include "methods/objective.h"
#include "nn/rbm.h"
#include "samplers/gibbs.h"

namespace valley {

// Stochastic estimate of log PL(v) = sum_i log P(v_i | all other v) from one unit per sample,
// `unit` int64 [B]: V log sigmoid(F(v with v_i -> 1 - v_i) - F(v)) [B] (Marlin, Swersky, Chen, de
// Freitas: Inductive Principles for Restricted Boltzmann Machine Learning, AISTATS 2010,
// section 2.3). The mean over units is exact for v in {0, 1}. Labels are unchanged. Bernoulli units
// only.
[[nodiscard]] at::Tensor pseudo_likelihood(const Rbm& rbm, const VisibleState& seen,
                                           const at::Tensor& unit);

// Measures of `seen`, the visible state for `microbatch`; float [size] each:
//   free_energy           F(v, y)
//   reconstruction_error  mean square of v minus its reconstruction, one step up and down by means
//   pseudo_likelihood     from one unit per sample, stream kMeasure; only Bernoulli units
//   error                 1 if a label other than y has the lowest free energy; only label units
[[nodiscard]] ImageMeasures compute_measures(const Rbm& rbm, const VisibleState& seen,
                                             const Microbatch& microbatch);

}  // namespace valley
