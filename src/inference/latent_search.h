// Restoration by the latent vector whose generated image fits the known pixels best.
#pragma once

#include <memory>

#include "inference/restorer.h"
#include "nn/model.h"
#include "nn/sampling.h"

namespace valley {

inline constexpr std::int64_t kLatentCandidates = 256;

// For each image y, minimizes over the latent vector z
//   |y - G(z)|^2 / (2 s^2) + |z|^2 / 2        for latents from N(0, 1), with s = max(noise, 0.01),
//   |y - G(z)|^2  with z in [-1, 1]           for latents from U(-1, 1),
// where the norm is over known pixels, and a generated value beyond black or white fits a black or
// white pixel exactly. The method is that of Levenberg and Marquardt (Marquardt 1963, SIAM J. Appl.
// Math. 11), with the Jacobian of G by forward differences: latent + 1 generated images per step.
// On samples of small models it reached 47 to 67 dB in about ten steps; 200 steps of Adam from four
// initial latents reached 30 to 64 dB (bench/RESULTS-parts.md).
//
// Starts from the one of kLatentCandidates random latents (Philox stream kLatentSearch, position:
// number of the candidate) whose image is closest. If it converges without a fit to the noise or to
// the rounding, it restarts from the next closest, up to `request.restarts` times. An image's
// result does not depend on the others.
//
// Candidates of a conditional model have its classes in turn, and a search keeps the class of its
// start.
//
// Unknown pixels are taken from G(z), known ones as in make_projection. With `request.is_intact`
// the result is G(z).
[[nodiscard]] std::unique_ptr<Restorer> make_latent_search(const Model& model,
                                                           const LatentDraw& draw,
                                                           const RestoreRequest& request,
                                                           at::Device device);

}  // namespace valley
