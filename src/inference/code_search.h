// Restoration by the autoencoder code whose decoded image fits the known pixels best.
#pragma once

#include <memory>

#include "inference/restorer.h"
#include "methods/adversarial/autoencoder_gan.h"

namespace valley {

// For each image, minimizes the squared error of decode(h) over the known pixels in the code h,
// with Adam (Kingma and Ba 2015, arXiv 1412.6980), betas 0.9 and 0.99, starting from the code of
// task.guess with steps of 0.2 times that code's root mean square. Unknown pixels are taken from
// decode(h), known ones as in make_projection. Yeh et al. 2017 (arXiv 1607.07539) do the same with
// the latent vectors of a generator and an additional prior term.
[[nodiscard]] std::unique_ptr<Restorer> make_code_search(const AutoencoderGan& gan,
                                                         const RestoreRequest& request,
                                                         at::Device device);

}  // namespace valley
