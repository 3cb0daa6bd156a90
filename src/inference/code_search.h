// Restoration by the code whose picture fits what is known best.
#pragma once

#include <memory>

#include "inference/restorer.h"
#include "methods/adversarial/autoencoder_gan.h"

namespace valley {

// Searches, for each image, the code h for which the autoencoder's decode(h) differs least from
// what is damaged, in the sum of squares over known pixels: Adam (Kingma and Ba 2015, arXiv
// 1412.6980) with betas 0.9 and 0.99 from the code of task.guess, steps of 0.2 times that code's
// root mean square. Unknown pixels become decode(h)'s; known ones as in make_projection. So a hole
// is filled with what goes with its surroundings, as Yeh et al. 2017 (arXiv 1607.07539) do it with
// a generator's latent vectors, and without their second term.
[[nodiscard]] std::unique_ptr<Restorer> make_code_search(const AutoencoderGan& gan,
                                                         const RestoreRequest& request,
                                                         at::Device device);

}  // namespace valley
