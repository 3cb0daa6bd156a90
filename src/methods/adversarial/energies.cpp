#include "methods/adversarial/energies.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/square.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/losses.h"

namespace valley {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Saves only its inputs. LibTorch's operators would also save the difference and compute each
// gradient in a separate pass over memory.
class MeanDistance : public torch::autograd::Function<MeanDistance> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& image,
                            const at::Tensor& reconstruction) {
    context->save_for_backward({image, reconstruction});
    return kernels::l1_mean(image, reconstruction);
  }

  static variable_list backward(AutogradContext* context, const variable_list& upstream) {
    VALLEY_CHECK(!at::GradMode::is_enabled());  // no second derivative
    const variable_list saved = context->get_saved_variables();
    const kernels::L1GradientPair gradients =
        kernels::l1_gradients(saved[0], saved[1], upstream[0],
                              {context->needs_input_grad(0), context->needs_input_grad(1)});
    return {gradients.a, gradients.b};
  }
};

at::Tensor widened(const at::Tensor& t) {
  return t.scalar_type() == at::kBFloat16 ? t.to(at::kFloat) : t;
}

// [B, ...] -> [B, n] in memory order, so that channels_last maps are not copied.
at::Tensor rows_of(const at::Tensor& t) {
  const bool is_map = t.dim() == 4 && t.is_contiguous(at::MemoryFormat::ChannelsLast);
  return (is_map ? t.permute({0, 2, 3, 1}) : t).flatten(1);
}

}  // namespace

void add_energy_key(Schema& schema, std::string& energy) {
  schema.key("objective.energy", &energy)
      .one_of(energy_names())
      .help("Energy of an image: its distance from its reconstruction.")
      .source("BEGAN, arXiv 1703.10717");
}

std::vector<std::string> energy_names() { return {"l1_mean", "l2_norm", "l2_sum", "mse"}; }

Energy parse_energy(const std::string& name) {
  const std::vector<std::string> names = energy_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw Error(ExitCode::kConfig, "objective.energy is \"{}\"; it can be {}", name,
                fmt::join(names, ", "));
  }
  return static_cast<Energy>(found - names.begin());
}

at::Tensor sample_energies(Energy energy, const at::Tensor& image,
                           const at::Tensor& reconstruction) {
  const at::Tensor difference = rows_of(reconstruction - image);
  switch (energy) {
    case Energy::kL1Mean:
      return at::abs(difference).mean(1);
    case Energy::kL2Norm:
      return at::linalg_vector_norm(difference, 2, at::IntArrayRef({1}));
    case Energy::kL2Sum:
      return at::square(difference).sum(1);
    case Energy::kMse:
      return at::square(difference).mean(1);
  }
  return {};
}

double margin_from_rmse(Energy energy, double rmse, std::int64_t channels, std::int64_t height,
                        std::int64_t width) {
  const auto elements = static_cast<double>(channels * height * width);
  switch (energy) {
    case Energy::kL1Mean:
      return rmse;
    case Energy::kL2Norm:
      return rmse * std::sqrt(elements);
    case Energy::kL2Sum:
      return rmse * rmse * elements;
    case Energy::kMse:
      return rmse * rmse;
  }
  return 0;
}

at::Tensor mean_l1_energy(const at::Tensor& image, const at::Tensor& reconstruction) {
  const at::Tensor a = widened(image);
  const at::Tensor b = widened(reconstruction);
  if (a.scalar_type() != at::kFloat || b.scalar_type() != at::kFloat)
    return at::l1_loss(b, a, at::Reduction::Mean);
  return MeanDistance::apply(a, b);
}

}  // namespace valley
