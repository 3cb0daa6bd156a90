#include "nn/model.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <stdexcept>

namespace valley {

Network& Model::network(const std::string& name) const {
  for (const NamedNetwork& n : networks()) {
    if (n.name == name) return *n.network;
  }
  throw std::logic_error("no network called " + name);
}

bool Model::has_network(const std::string& name) const {
  return std::ranges::any_of(networks(), [&](const NamedNetwork& n) { return n.name == name; });
}

void Model::initialize(std::uint64_t seed) const {
  const at::NoGradGuard no_grad;
  for (const NamedNetwork& n : networks()) {
    n.network->parameters().initialize(seed, n.name + ".");
    n.network->end_step(0);
  }
}

}  // namespace valley
