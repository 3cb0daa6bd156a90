#include "methods/ebm/networks.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/relu.h>
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "methods/ebm/energy_model.h"
#include "nn/conv3x3.h"
#include "nn/option_checks.h"
#include "nn/spectral_norm.h"

namespace valley {
namespace {

constexpr std::int64_t kSmallestMap = 4;

// A 3x3 conv, optionally with spectral norm.
class EnergyConv {
 public:
  enum class Role { kPlain, kEndsBlock };
  EnergyConv(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
             bool normed, std::shared_ptr<const ComputeOptions> compute, Role role = Role::kPlain)
      : compute_(std::move(compute)),
        conv_(set, name, {in, out, 3, 1, 1}, initializer(in, out, normed, role)) {
    if (normed) {
      norm_.emplace(
          set, name, conv_.weight(),
          role == Role::kEndsBlock ? SpectralNorm::Kind::kBound : SpectralNorm::Kind::kDivide);
    }
  }
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const {
    if (has_conv3x3(x, conv_.shape().in, conv_.shape().out, *compute_))
      return apply_conv3x3(x, weight(), conv_.bias(), *compute_);
    return norm_ ? conv_.apply(x, weight()) : conv_(x);
  }
  void fix_weight(bool fixed) const {
    is_fixed_ = fixed && norm_.has_value();
    if (!is_fixed_) return;
    const at::NoGradGuard no_grad;
    if (fixed_.defined()) {
      fixed_.copy_((*norm_)());
    } else {
      fixed_ = (*norm_)();
    }
  }
  void iterate(int rounds) const {
    if (norm_) norm_->iterate(rounds);
  }
  [[nodiscard]] LayerInfo info(std::int64_t size, const std::string& note) const {
    const char* gap = norm_ && !note.empty() ? " " : "";
    return conv_.info(size, fmt::format("{}{}{}", norm_ ? "spectral" : "", gap, note));
  }

 private:
  static Initializer initializer(std::int64_t in, std::int64_t out, bool normed, Role role) {
    constexpr std::int64_t kTaps = 9;
    // Not zero: power iteration needs a direction.
    constexpr double kAlmostZero = 1e-10;
    if (role == Role::kEndsBlock)
      return normed ? Initializer::normal(kAlmostZero) : Initializer::zero();
    return normed ? Initializer::normal(1) : Initializer::xavier_uniform(kTaps * in, kTaps * out);
  }

  [[nodiscard]] at::Tensor weight() const {
    if (is_fixed_) return fixed_;
    return norm_ ? (*norm_)() : conv_.weight();
  }

  std::shared_ptr<const ComputeOptions> compute_;
  Conv2d conv_;
  std::optional<SpectralNorm> norm_;
  // The normalized weight between fix_weight(true) and fix_weight(false), at a fixed address, which
  // a recorded graph reads.
  mutable at::Tensor fixed_;
  mutable bool is_fixed_ = false;
};

struct BlockShape {
  std::int64_t in, out;
  bool halves;
};

std::vector<BlockShape> block_shapes(const ModelOptions& o) {
  constexpr std::int64_t kLargestSmall = 32;
  std::vector<BlockShape> shapes;
  std::int64_t in = o.width;
  const auto add = [&](std::int64_t out, bool halves) {
    shapes.push_back({in, out, halves});
    in = out;
  };
  const std::int64_t halvings = make_pyramid(o.resolution, kSmallestMap).doublings;
  if (o.resolution <= kLargestSmall) {
    for (std::int64_t level = 0; level < 3; ++level) {
      const std::int64_t out = level == 0 ? o.width : 2 * o.width;
      add(out, level < halvings);
      add(out, false);
    }
    return shapes;
  }
  for (std::int64_t level = 0; level < halvings; ++level)
    add(o.width << std::min<std::int64_t>(level, 3), true);
  add(in, false);
  return shapes;
}

class Block {
 public:
  Block(ParameterSet& set, const std::string& name, const BlockShape& shape, bool normed,
        const std::shared_ptr<const ComputeOptions>& compute)
      : shape_(shape),
        conv0_(set, name + "conv0", shape.in, shape.out, normed, compute),
        conv1_(set, name + "conv1", shape.out, shape.out, normed, compute,
               EnergyConv::Role::kEndsBlock) {
    if (shape.in != shape.out)
      shortcut_.emplace(set, name + "shortcut", shape.in, shape.out, normed, compute);
  }

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor change = conv1_(activate(conv0_(x), Activation::kLeakyRelu));
    at::Tensor y = change + (shortcut_ ? (*shortcut_)(x) : x);
    if (shape_.halves) y = at::avg_pool2d(y, {2, 2});
    return activate(y, Activation::kLeakyRelu);
  }

  void iterate(int rounds) const {
    conv0_.iterate(rounds);
    conv1_.iterate(rounds);
    if (shortcut_) shortcut_->iterate(rounds);
  }

  void fix_weights(bool fixed) const {
    conv0_.fix_weight(fixed);
    conv1_.fix_weight(fixed);
    if (shortcut_) shortcut_->fix_weight(fixed);
  }

  // Appends its layers to `table`; returns the output's size.
  std::int64_t describe(const std::string& name, std::int64_t size,
                        std::vector<LayerInfo>& table) const {
    table.push_back(conv0_.info(size, "leaky relu"));
    const auto add_summand = [&](LayerInfo info) {  // only the sum reads it
      info.passing = info.activations;
      table.push_back(std::move(info));
    };
    add_summand(conv1_.info(size, ""));
    if (shortcut_) add_summand(shortcut_->info(size, ""));
    const std::int64_t half = shape_.halves ? size / 2 : size;
    // With pooling the sum at full size is stored as well.
    const std::int64_t kept =
        shape_.out * half * half + (shape_.halves ? shape_.out * size * size : 0);
    table.push_back({fmt::format("{} add{} leaky relu", name, shape_.halves ? ", average 2x2" : ""),
                     fmt::format("[{}, {}, {}]", shape_.out, half, half), 0, kept, 0});
    return half;
  }

 private:
  BlockShape shape_;
  EnergyConv conv0_;
  EnergyConv conv1_;
  std::optional<EnergyConv> shortcut_;
};

class ResidualEnergy : public EnergyNetwork {
 public:
  ResidualEnergy(const ModelOptions& o, at::Device device)
      : EnergyNetwork(device, o.labels),
        resolution_(o.resolution),
        input_(parameters_, "input", o.channels, o.width, o.spectral_norm, compute_),
        blocks_(make_blocks(o)),
        output_(parameters_, "output", block_shapes(o).back().out,
                std::max<std::int64_t>(1, o.labels)) {}

  [[nodiscard]] at::Tensor forward(const at::Tensor& x) const override {
    at::Tensor y = activate(input_(x), Activation::kLeakyRelu);
    for (const Block& block : blocks_) y = block(y);
    // Not in place: the backward pass of the last block's activation reads its output.
    const at::Tensor energies = output_(at::relu(y).sum({2, 3}));
    return labels() > 0 ? energies : energies.squeeze(1);
  }

  void end_step(std::int64_t steps_done) const override {
    const int rounds = power_rounds(steps_done);
    input_.iterate(rounds);
    for (const Block& block : blocks_) block.iterate(rounds);
  }

  void fix_weights(bool fixed) const override {
    input_.fix_weight(fixed);
    for (const Block& block : blocks_) block.fix_weights(fixed);
  }

  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table = {input_.info(resolution_, "leaky relu")};
    std::int64_t size = resolution_;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      size = blocks_[i].describe(fmt::format("blocks.{}", i), size, table);
    table.push_back(output_.info());
    table.back().name = "relu, sum, " + table.back().name;
    return table;
  }

 private:
  std::vector<Block> make_blocks(const ModelOptions& o) {
    std::vector<Block> blocks;
    for (const BlockShape& shape : block_shapes(o)) {
      const std::string name = fmt::format("blocks.{}.", blocks.size());
      blocks.emplace_back(parameters_, name, shape, o.spectral_norm, compute_);
    }
    return blocks;
  }

  std::int64_t resolution_;
  EnergyConv input_;
  std::vector<Block> blocks_;
  Linear output_;
};

}  // namespace

std::unique_ptr<Model> make_ebm(const ModelOptions& o, at::Device device) {
  ModelAbilities abilities;
  abilities.resolutions = {28, 32, 64, 128, 256};
  abilities.makes_images = false;
  abilities.spectral_norm = true;
  abilities.labels = true;
  require_abilities(o, abilities);
  return std::make_unique<EnergyModel>(std::make_unique<ResidualEnergy>(o, device));
}

}  // namespace valley
