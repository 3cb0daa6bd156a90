#include "methods/began/networks.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/lerp.h>
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "methods/adversarial/autoencoder_gan.h"
#include "nn/elu_conv.h"
#include "nn/image_conv.h"
#include "nn/label_embedding.h"
#include "nn/option_checks.h"

namespace valley {
namespace {

constexpr std::int64_t kBeganBase = 8;  // side of the smallest feature map, except at 28 pixels

std::int64_t base_size(std::int64_t resolution) {
  return make_pyramid(resolution, kBeganBase).base;
}

std::int64_t level_count(std::int64_t resolution) {
  return make_pyramid(resolution, kBeganBase).doublings + 1;
}

// Adds the buffer "carry" that the layers share: the weight of a layer's input in its output, which
// decays from 1 to 0 during training (section 3.4). Undefined without residuals.
at::Tensor add_carry(ParameterSet& set, const ModelOptions& o) {
  if (o.vanishing_residuals == 0) return {};
  return set.add_buffer("carry", {}, Initializer::constant(1), Buffer::Kind::kDerived);
}

void set_carry(const at::Tensor& carry, std::int64_t steps_done, std::int64_t steps) {
  if (!carry.defined()) return;
  const double left = 1.0 - static_cast<double>(steps_done) / static_cast<double>(steps);
  carry.fill_(std::max(0.0, left));
}

// State that the layers of a network share.
struct Shared {
  std::shared_ptr<const ComputeOptions> compute;
  at::Tensor carry;
};

// A conv with ELU, and with the residual if input and output have the same shape.
class EluConv {
 public:
  EluConv(ParameterSet& set, const std::string& name, std::int64_t in, std::int64_t out,
          std::int64_t stride, const Shared& shared)
      : conv_(conv3x3(set, name, in, out, stride)), compute_(shared.compute) {
    if (in == out && stride == 1) carry_ = shared.carry;
  }
  // Must be called if `upsampled` is used.
  void keep_folded(ParameterSet& set, const std::string& name) {
    if (can_fold()) folded_ = set.derive(name + ".weight", fold_upsampling);
  }
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const {
    if (!compute_->fused_elu) return with_carry(activate(conv_(x), Activation::kElu), x);
    return with_carry(
        elu_conv(x, conv_.weight(), conv_.bias(),
                 {stride(), false, compute_->winograd, compute_->narrow_convs}, conv_.bf16_copy()),
        x);
  }
  // The same on x upsampled by 2.
  [[nodiscard]] at::Tensor upsampled(const at::Tensor& x) const {
    if (!can_fold() || !compute_->fused_elu || !compute_->folded_upsampling)
      return (*this)(upsample_nearest(x, 2));
    return elu_conv(x, conv_.weight(), conv_.bias(), {1, true, compute_->winograd},
                    folded_ ? *folded_ : at::Tensor());
  }
  [[nodiscard]] bool can_fold() const { return !carry_.defined(); }  // see `upsampled`
  [[nodiscard]] std::int64_t stride() const { return conv_.shape().stride; }
  [[nodiscard]] LayerInfo info(std::int64_t out_size) const {
    if (!carry_.defined()) return conv_.info(out_size, "elu");
    LayerInfo info = conv_.info(out_size, "elu residual");
    info.activations *= 2;
    return info;
  }

 private:
  [[nodiscard]] at::Tensor with_carry(const at::Tensor& y, const at::Tensor& x) const {
    return carry_.defined() ? at::lerp(y, x, carry_.to(y.scalar_type())) : y;
  }

  Conv2d conv_;
  std::shared_ptr<const at::Tensor> folded_;
  std::shared_ptr<const ComputeOptions> compute_;
  at::Tensor carry_;
};

class Decoder {
 public:
  Decoder(ParameterSet& set, const std::string& prefix, const ModelOptions& o, std::int64_t inputs,
          const Shared& shared)
      : width_(o.width),
        base_(base_size(o.resolution)),
        skips_(o.skip_connections),
        output_activation_(output_activation(o.output)),
        compute_(shared.compute),
        linear_(set, prefix + "linear", inputs, base_ * base_ * o.width),
        levels_(make_levels(set, prefix, o, shared)),
        output_(conv3x3(set, prefix + "output", o.width, o.channels)) {
    if (o.labels == 0) return;
    class_maps_.emplace(set, prefix + "labels", LabelMaps::Shape{o.labels, inputs, o.width, base_},
                        initial_embedding(o),
                        Initializer::xavier_uniform(inputs, base_ * base_ * o.width));
  }

  [[nodiscard]] at::Tensor operator()(const at::Tensor& h, const at::Tensor& classes) const {
    const at::Tensor linear = linear_(h)
                                  .view({h.size(0), width_, base_, base_})
                                  .contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor h0 = shifted(linear, class_maps_ ? (*class_maps_)(classes) : classes);
    at::Tensor x = h0;
    for (std::size_t l = 0; l < levels_.size(); ++l) {
      const Level& level = levels_[l];
      x = level.conv1(l == 0 ? level.conv0(x) : level.conv0.upsampled(widen(x, h0)));
    }
    const bool narrow = compute_->fused_elu && compute_->narrow_convs;
    return activate(narrow ? image_conv(output_, x) : output_(x), output_activation_);
  }

  void describe(std::vector<LayerInfo>& table) const {
    if (class_maps_) class_maps_->describe(table);
    table.push_back(linear_.info());
    std::int64_t size = base_;
    for (std::size_t l = 0; l < levels_.size(); ++l) {
      if (l > 0) {
        size *= 2;
        const std::int64_t channels = skips_ ? 2 * width_ : width_;
        LayerInfo up = {fmt::format("upsample{}", skips_ ? ", concatenate h0" : ""),
                        fmt::format("[{}, {}, {}]", channels, size, size), 0,
                        channels * size * size};
        // Skip connections are concatenated before upsampling, at a quarter of the size.
        if (levels_[l].conv0.can_fold())
          up.folded = up.activations - (skips_ ? up.activations / 4 : 0);
        table.push_back(up);
      }
      table.push_back(levels_[l].conv0.info(size));
      table.push_back(levels_[l].conv1.info(size));
    }
    table.push_back(output_.info(size, activation_name(output_activation_)));
  }

 private:
  struct Level {
    EluConv conv0, conv1;
  };

  static std::vector<Level> make_levels(ParameterSet& set, const std::string& prefix,
                                        const ModelOptions& o, const Shared& shared) {
    std::vector<Level> levels;
    for (std::int64_t l = 0; l < level_count(o.resolution); ++l) {
      const std::string name = fmt::format("{}levels.{}.", prefix, l);
      const std::int64_t in = l > 0 && o.skip_connections ? 2 * o.width : o.width;
      // Constructed one after the other, because this order is that of the tensors in files.
      EluConv conv0(set, name + "conv0", in, o.width, 1, shared);
      if (l > 0) conv0.keep_folded(set, name + "conv0");
      EluConv conv1(set, name + "conv1", o.width, o.width, 1, shared);
      levels.push_back({std::move(conv0), std::move(conv1)});
    }
    return levels;
  }

  // Concatenates h0, upsampled to the size of x, for skip connections. Concatenation before
  // upsampling gives the same result as after it.
  [[nodiscard]] at::Tensor widen(const at::Tensor& x, const at::Tensor& h0) const {
    if (!skips_) return x;
    const std::int64_t factor = x.size(2) / h0.size(2);
    return at::cat({x, factor == 1 ? h0 : upsample_nearest(h0, factor)}, 1);
  }

  std::int64_t width_;
  std::int64_t base_;
  bool skips_;
  Activation output_activation_;
  std::shared_ptr<const ComputeOptions> compute_;
  Linear linear_;
  std::vector<Level> levels_;
  Conv2d output_;
  std::optional<LabelMaps> class_maps_;
};

class Encoder {
 public:
  Encoder(ParameterSet& set, const std::string& prefix, const ModelOptions& o, const Shared& shared)
      : resolution_(o.resolution),
        input_(set, prefix + "input", o.channels, o.width, 1, {shared.compute, {}}),
        levels_(make_levels(set, prefix, o, shared)),
        linear_(set, prefix + "linear", last_map_elements(o), o.hidden) {
    if (o.labels == 0) return;
    labels_.emplace(set, prefix + "labels", o.labels, o.width,
                    Initializer::xavier_uniform(kTaps * o.channels, kTaps * o.width));
  }

  // The class shifts the channels after the first activation, because conv and ELU are one kernel.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& image, const at::Tensor& classes) const {
    at::Tensor x = shifted(input_(image), labels_ ? labels_->channels(classes) : classes);
    for (const Level& level : levels_) {
      x = level.conv1(level.conv0(x));
      if (level.down) x = (*level.down)(x);
    }
    return linear_(x.flatten(1));
  }

  void describe(std::vector<LayerInfo>& table) const {
    std::int64_t size = resolution_;
    table.push_back(input_.info(size));
    if (labels_) table.push_back(labels_->info());
    for (const Level& level : levels_) {
      table.push_back(level.conv0.info(size));
      size /= level.conv1.stride();
      table.push_back(level.conv1.info(size));
      if (!level.down) continue;
      size /= level.down->stride();
      table.push_back(level.down->info(size));
    }
    table.push_back(linear_.info());
  }

 private:
  struct Level {
    EluConv conv0, conv1;
    std::optional<EluConv> down;
  };

  static std::int64_t last_map_elements(const ModelOptions& o) {
    const std::int64_t base = base_size(o.resolution);
    return base * base * level_count(o.resolution) * o.width;
  }

  static std::vector<Level> make_levels(ParameterSet& set, const std::string& prefix,
                                        const ModelOptions& o, const Shared& shared) {
    const std::int64_t count = level_count(o.resolution);
    const bool extra = o.downsample == "extra";
    std::vector<Level> levels;
    for (std::int64_t l = 0; l < count; ++l) {
      const std::string name = fmt::format("{}levels.{}.", prefix, l);
      const std::int64_t width = o.width * (l + 1);
      const bool last = l + 1 == count;
      EluConv conv0(set, name + "conv0", l == 0 ? o.width : o.width * l, width, 1, shared);
      EluConv conv1(set, name + "conv1", width, width, last || extra ? 1 : 2, shared);
      std::optional<EluConv> down;
      if (extra && !last) down.emplace(set, name + "down", width, width, 2, shared);
      levels.push_back({std::move(conv0), std::move(conv1), std::move(down)});
    }
    return levels;
  }

  std::int64_t resolution_;
  static constexpr std::int64_t kTaps = 9;
  EluConv input_;
  std::vector<Level> levels_;
  Linear linear_;
  std::optional<LabelEmbedding> labels_;
};

class BeganGenerator : public Generator {
 public:
  BeganGenerator(const ModelOptions& o, at::Device device)
      : Generator(device, o.labels),
        residual_steps_(o.vanishing_residuals),
        carry_(add_carry(parameters_, o)),
        decoder_(parameters_, "", o, o.latent, {compute_, carry_}) {}
  void end_step(std::int64_t steps_done) const override {
    set_carry(carry_, steps_done, residual_steps_);
  }
  [[nodiscard]] at::Tensor forward(const at::Tensor& z, const at::Tensor& classes) const override {
    return decoder_(z, classes);
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    decoder_.describe(table);
    return table;
  }

 private:
  std::int64_t residual_steps_;
  at::Tensor carry_;
  Decoder decoder_;
};

class BeganDiscriminator : public Autoencoder {
 public:
  BeganDiscriminator(const ModelOptions& o, at::Device device)
      : Autoencoder(device, o.labels),
        residual_steps_(o.vanishing_residuals),
        carry_(add_carry(parameters_, o)),
        encoder_(parameters_, "encoder.", o, {compute_, carry_}),
        decoder_(parameters_, "decoder.", o, o.hidden, {compute_, carry_}) {}
  void end_step(std::int64_t steps_done) const override {
    set_carry(carry_, steps_done, residual_steps_);
  }
  [[nodiscard]] at::Tensor code_of(const at::Tensor& x, const at::Tensor& classes) const override {
    return encoder_(x, classes);
  }
  [[nodiscard]] at::Tensor image_of(const at::Tensor& h, const at::Tensor& classes) const override {
    return decoder_(h, classes);
  }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    encoder_.describe(table);
    decoder_.describe(table);
    return table;
  }

 private:
  std::int64_t residual_steps_;
  at::Tensor carry_;
  Encoder encoder_;
  Decoder decoder_;
};

}  // namespace

std::unique_ptr<Model> make_began(const ModelOptions& options, at::Device device) {
  ModelAbilities abilities;
  abilities.resolutions = {16, 28, 32, 64, 128, 256, 512};
  abilities.skip_connections = true;
  abilities.extra_downsampling = true;
  abilities.vanishing_residuals = true;
  abilities.labels = true;
  require_abilities(options, abilities);
  return std::make_unique<AutoencoderGan>(std::make_unique<BeganGenerator>(options, device),
                                          std::make_unique<BeganDiscriminator>(options, device),
                                          options, GanConvs::k3x3);
}

}  // namespace valley
