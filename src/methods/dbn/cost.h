// Work of the phases of a deep belief network (methods/dbn/objective.h) per image, in matrix
// products; elementwise work is not counted. Multiply-adds of an RBM with V visible, L label and H
// hidden units, S = V + L:
//   measure    0: only moments of pixels
//   layers.N   V H for each RBM below (forward). RBM N: (3 + 2 k) S H: up from the data, k times
//              down and up, and the products for the gradient at both ends. Persistent chains: V H
//              more, for one step down from the data's hidden probabilities
//   fine-tune  V H for each RBM forward, V H for the gradient of its weights, and V H for the
//              gradient of its input, which the first RBM does not need. 3 H C for an output layer
//              of C classes. Label units of the top RBM need sums only
#pragma once

#include "methods/dbn/networks.h"
#include "methods/dbn/options.h"
#include "methods/objective.h"
#include "methods/phase_work.h"

namespace valley {

[[nodiscard]] PhaseWork dbn_work(const DeepBeliefNetwork& dbn, const DbnOptions& options,
                                 const Phase& phase);

}  // namespace valley
