// What is measured of a restricted Boltzmann machine on single images, to follow its training and
// to see whether it overfits.
#pragma once

#include <ATen/core/Tensor.h>

#include "methods/objective.h"
#include "nn/rbm.h"
#include "samplers/gibbs.h"

namespace valley {

// A stochastic estimate of log PL(v) = sum_i log P(v_i | all other v), from one unit of each
// sample, `unit` int64 [B]: V log sigmoid(F(v with v_i -> 1 - v_i) - F(v)) [B] (Marlin, Swersky,
// Chen, de Freitas: Inductive Principles for Restricted Boltzmann Machine Learning, AISTATS 2010,
// section 2.3). Its mean over units is exact for v of 0 and 1; labels stay as they are. Bernoulli
// units only.
[[nodiscard]] at::Tensor pseudo_likelihood(const Rbm& rbm, const VisibleState& seen,
                                           const at::Tensor& unit);

// Of what a machine sees of `microbatch`, float [size] each:
//   free_energy           F(v, y)
//   reconstruction_error  mean square of v less what one step up and down by means makes of it
//   pseudo_likelihood     of one unit a sample, drawn from stream kMeasure; Bernoulli units
//   error                 1 where another label than y has the lowest free energy; label units
[[nodiscard]] ImageMeasures measures_of(const Rbm& rbm, const VisibleState& seen,
                                        const Microbatch& microbatch);

}  // namespace valley
