#include "experiment/optimizer_rule.h"

namespace valley {
namespace {

using kernels::AdamaxSettings;
using kernels::AdamSettings;
using kernels::SgdSettings;

struct MomentNames {
  std::vector<std::string> operator()(const AdamSettings& /*s*/) const {
    return {"first", "second"};
  }
  std::vector<std::string> operator()(const AdamaxSettings& /*s*/) const {
    return {"first", "second"};
  }
  std::vector<std::string> operator()(const SgdSettings& s) const {
    return s.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"first"};
  }
};

}  // namespace

OptimizerRule optimizer_rule(const OptimizerOptions& o) {
  switch (o.name) {
    case OptimizerName::kAdamax:
      return AdamaxSettings{o.beta1, o.beta2, o.epsilon, o.bias_correction};
    case OptimizerName::kSgd:
      return SgdSettings{o.momentum};
    case OptimizerName::kAdam:
      break;
  }
  return AdamSettings{o.beta1, o.beta2, o.epsilon, o.bias_correction};
}

UpdateLimits update_limits(const OptimizerOptions& o) { return {o.clip_norm, o.weight_decay}; }

std::vector<std::string> moments_of(const OptimizerRule& rule) {
  return std::visit(MomentNames{}, rule);
}

}  // namespace valley
