#include "methods/dbn/cost.h"

#include <string>

namespace valley {
namespace {

struct Sizes {
  double visible, labels, hidden;
};

Sizes sizes_of(const Rbm& rbm) {
  const RbmShape& s = rbm.shape();
  return {static_cast<double>(s.visible), static_cast<double>(s.labels),
          static_cast<double>(s.hidden)};
}

NetworkWork forward_work(const Rbm& rbm) {
  const Sizes s = sizes_of(rbm);
  return {s.visible * s.hidden, kForwardTraffic * s.hidden};
}

NetworkWork divergence_work(const Rbm& rbm, double steps, bool persistent) {
  const Sizes s = sizes_of(rbm);
  const double seen = s.visible + s.labels;
  NetworkWork work;
  work.multiply_adds = (3 + 2 * steps) * seen * s.hidden;
  work.traffic = kForwardTraffic * (s.hidden + steps * (seen + s.hidden));
  work.traffic += 2 * (seen + s.hidden);  // both ends, read for the gradient
  if (persistent) {
    work.multiply_adds += s.visible * s.hidden;
    work.traffic += kForwardTraffic * s.visible;
  }
  return work;
}

// Forward and backward pass through a layer with `out` outputs and `products` multiply-adds.
NetworkWork fine_tune_work(double products, double out, bool needs_inputs) {
  NetworkWork work = {2 * products, (kForwardTraffic + kWeightsTraffic) * out};
  if (!needs_inputs) return work;
  work.multiply_adds += products;
  work.traffic += kInputsTraffic * out;
  return work;
}

}  // namespace

PhaseWork dbn_work(const DeepBeliefNetwork& dbn, const DbnOptions& options, const Phase& phase) {
  PhaseWork work;
  for (std::size_t i = 0; i < dbn.depth(); ++i) {
    const Rbm& rbm = dbn.rbm(i);
    const std::string name = "layers." + std::to_string(i);
    const Sizes s = sizes_of(rbm);
    if (phase.name == "measure") {
      work[name] = {0, 2 * s.visible};  // reads the pixels for both moments
      return work;
    }
    if (phase.name == "fine-tune") {
      work[name] = fine_tune_work(s.visible * s.hidden, s.hidden, i > 0);
    } else if (phase.name == name) {
      work[name] =
          divergence_work(rbm, static_cast<double>(options.gibbs_steps), options.persistent_chains);
      return work;
    } else {
      work[name] = forward_work(rbm);
    }
  }
  if (dbn.output() != nullptr) {
    const auto classes = static_cast<double>(dbn.labels());
    work["output"] =
        fine_tune_work(static_cast<double>(dbn.output()->weight().numel()), classes, true);
  }
  return work;
}

}  // namespace valley
