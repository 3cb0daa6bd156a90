#include "nn/conv_stack.h"

#include <fmt/core.h>

#include <utility>

#include "nn/conv4x4.h"
#include "nn/image_conv.h"
#include "nn/label_embedding.h"

namespace valley {

ConvStack::ConvStack(ParameterSet& set, const std::string& prefix,
                     const std::vector<ConvStage>& stages,
                     const std::shared_ptr<const PassContext>& context,
                     std::shared_ptr<const ComputeOptions> compute)
    : compute_(std::move(compute)) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const ConvStage& stage = stages[i];
    const std::string name = fmt::format("{}{}.", prefix, i);
    Conv2d conv(set, name + "conv", stage.shape, stage.initializer, !stage.batch_norm);
    std::optional<BatchNorm2d> norm;
    if (stage.batch_norm) norm.emplace(set, name + "norm", stage.shape.out, context);
    parts_.push_back({std::move(conv), std::move(norm), stage.activation});
  }
}

at::Tensor ConvStack::apply(const Part& part, const at::Tensor& x, const at::Tensor& shift) const {
  constexpr double kAlone = 1;
  const Conv2d& conv = part.conv;
  at::Tensor y;
  if (has_conv4x4(x, conv.shape(), *compute_)) {
    const std::optional<double> leak =
        part.norm || shift.defined() ? std::nullopt : leak_factor(part.activation);
    y = apply_conv4x4(x, conv, leak.value_or(kAlone), *compute_);
    if (leak) return y;
  } else {
    y = compute_->narrow_convs ? image_conv(conv, x) : conv(x);
  }
  y = shifted(y, shift);
  return part.norm ? (*part.norm)(y, part.activation) : activate(y, part.activation);
}

at::Tensor ConvStack::operator()(const at::Tensor& x, const at::Tensor& shift) const {
  at::Tensor y = x;
  for (const Part& part : parts_)
    y = apply(part, y, &part == &parts_.front() ? shift : at::Tensor());
  return y;
}

std::int64_t ConvStack::describe(std::int64_t size, std::vector<LayerInfo>& table) const {
  for (const Part& part : parts_) {
    size = part.conv.shape().output_size(size);
    const std::string activation = activation_name(part.activation);
    table.push_back(part.conv.info(size, part.norm ? "" : activation));
    if (part.norm) table.push_back(part.norm->info(size, activation));
  }
  return size;
}

ConvShape halving(std::int64_t in, std::int64_t out) { return {in, out, 4, 2, 1, false}; }

ConvShape doubling(std::int64_t in, std::int64_t out) { return {in, out, 4, 2, 1, true}; }

ConvShape unfolding(std::int64_t in, std::int64_t out, std::int64_t size) {
  return {in, out, size, 1, 0, true};
}

}  // namespace valley
