// The work of a deep belief network's phases (objectives/dbn.h), an image, in matrix products: what
// is done to each unit by itself is left out. With V visible, L label and H hidden units of a
// machine, and S = V + L, its multiply-adds are
//   measure    none: moments of pixels
//   layers.N   V H of each machine below, once up; of machine N (3 + 2 k) S H: up from the data, k
//              times down and up again, and the products of both ends that make the gradient.
//              Persistent chains: V H more, one step down from what the data drive
//   fine-tune  V H of each machine up, as much for its weights' gradients, and as much for the
//              gradients of its input, except for the first machine's, which nobody needs; three
//              times H C for an output layer of C classes. Label units of the top machine are
//              searched by sums, not by products
#pragma once

#include "methods/dbn/networks.h"
#include "methods/dbn/options.h"
#include "methods/objective.h"
#include "methods/phase_work.h"

namespace valley {

[[nodiscard]] PhaseWork dbn_work(const DeepBeliefNetwork& dbn, const DbnOptions& options,
                                 const Phase& phase);

}  // namespace valley
