#include "methods/ebm/r1.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/square.h>
#include <torch/csrc/autograd/autograd.h>

namespace valley {
namespace {

// Valley's own convolutions have no second derivatives.
class LibTorchConvolutions {
 public:
  explicit LibTorchConvolutions(const Network& network)
      : network_(network), before_(network.compute()) {
    network.compute().winograd = false;
    network.compute().narrow_convs = false;
  }
  ~LibTorchConvolutions() { network_.compute() = before_; }
  LibTorchConvolutions(const LibTorchConvolutions&) = delete;
  LibTorchConvolutions& operator=(const LibTorchConvolutions&) = delete;

 private:
  const Network& network_;
  ComputeOptions before_;
};

}  // namespace

at::Tensor add_r1_gradient(const EnergyNetwork& network, const at::Tensor& images, double factor) {
  const LibTorchConvolutions during(network);
  const at::Tensor x = images.detach().requires_grad_();
  const at::Tensor energies = network.energy(x);
  const at::Tensor slope =
      torch::autograd::grad({energies.sum()}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)
          .front();
  const at::Tensor penalty = at::square(slope).sum() / 2;
  penalty.backward(at::full({}, factor, penalty.options()));
  return penalty.detach();
}

}  // namespace valley
