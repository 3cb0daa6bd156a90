#include "methods/dbn/networks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <fmt/core.h>

#include "core/error.h"
#include "nn/option_checks.h"

namespace valley {
namespace {

constexpr double kSmallWeights = 0.01;  // standard deviation (the practical guide, section 8)

Initializer weights_of(const ModelOptions& o, std::int64_t in, std::int64_t out) {
  if (o.initial_weights == "xavier") return Initializer::xavier_uniform(in, out);
  return Initializer::normal(kSmallWeights);
}

std::vector<RbmShape> shapes_of(const ModelOptions& o) {
  std::vector<RbmShape> shapes;
  std::int64_t below = o.channels * o.resolution * o.resolution;
  for (const std::int64_t hidden : o.layers) {
    RbmShape shape;
    shape.visible = below;
    shape.hidden = hidden;
    shape.weights = weights_of(o, below, hidden);
    shape.sees_images = shapes.empty();
    if (shapes.empty() && o.visible_units == "gaussian") shape.units = VisibleUnits::kGaussian;
    shapes.push_back(shape);
    below = hidden;
  }
  if (o.label_units) shapes.back().labels = o.labels;
  return shapes;
}

// Entropy of Bernoulli units with probability sigmoid(input), summed over each row.
at::Tensor entropy(const at::Tensor& input) {
  return (at::softplus(input) - input * at::sigmoid(input)).sum(1);
}

}  // namespace

OutputLayer::OutputLayer(std::int64_t hidden, std::int64_t labels, at::Device device)
    : Network(device),
      weight_(parameters_.add("weight", {labels, hidden}, Initializer::normal(kSmallWeights))),
      bias_(parameters_.add("bias", {labels}, Initializer::zero())) {}

at::Tensor OutputLayer::logits(const at::Tensor& h) const { return at::linear(h, weight_, bias_); }

std::vector<LayerInfo> OutputLayer::layers() const {
  const std::int64_t labels = weight_.size(0);
  return {
      {"softmax", fmt::format("[{}]", labels), parameters_.count(), 2 * labels, weight_.numel()}};
}

DeepBeliefNetwork::DeepBeliefNetwork(const ModelOptions& o, at::Device device)
    : labels_(o.labels), channels_(o.channels), resolution_(o.resolution) {
  for (const RbmShape& shape : shapes_of(o)) rbms_.push_back(std::make_unique<Rbm>(shape, device));
  if (o.labels > 0 && !o.label_units)
    output_ = std::make_unique<OutputLayer>(o.layers.back(), o.labels, device);
}

std::vector<NamedNetwork> DeepBeliefNetwork::networks() const {
  std::vector<NamedNetwork> all;
  for (std::size_t i = 0; i < rbms_.size(); ++i)
    all.push_back({fmt::format("layers.{}", i), rbms_[i].get()});
  if (output_) all.push_back({"output", output_.get()});
  return all;
}

at::Tensor DeepBeliefNetwork::visible_from_images(const at::Tensor& images) const {
  return rbms_.front()->from_unit(images.flatten(1));
}

at::Tensor DeepBeliefNetwork::images_from_visible(const at::Tensor& v) const {
  return as_images(at::clamp(rbms_.front()->to_unit(v), 0, 1));
}

at::Tensor DeepBeliefNetwork::as_images(const at::Tensor& rows) const {
  return rows.view({rows.size(0), channels_, resolution_, resolution_});
}

at::Tensor DeepBeliefNetwork::level_input(std::size_t level, const at::Tensor& images) const {
  at::Tensor v = visible_from_images(images);
  for (std::size_t i = 0; i < level; ++i) v = rbms_[i]->hidden(v);
  return v;
}

at::Tensor DeepBeliefNetwork::images_from_level(std::size_t level, const at::Tensor& v) const {
  at::Tensor below = v;
  for (std::size_t i = level; i > 0; --i) below = rbms_[i - 1]->visible_mean(below);
  return images_from_visible(below);
}

at::Tensor DeepBeliefNetwork::class_scores(const at::Tensor& images) const {
  VALLEY_CHECK(labels_ > 0);
  const at::Tensor v = level_input(depth() - 1, images);
  return output_ ? output_->logits(top().hidden(v)) : -top().free_energies_of_labels(v);
}

at::Tensor DeepBeliefNetwork::energy(const at::Tensor& images) const {
  at::Tensor v = visible_from_images(images);
  at::Tensor below;  // terms of the layers below the top
  for (std::size_t i = 0; i + 1 < depth(); ++i) {
    const at::Tensor input = rbms_[i]->hidden_input(v);
    const at::Tensor q = at::sigmoid(input);
    const at::Tensor gained = rbms_[i]->log_likelihood(v, q) + entropy(input);
    below = below.defined() ? below - gained : -gained;
    v = q;
  }
  const at::Tensor energy = top().free_energy(v);
  return below.defined() ? energy + below : energy;
}

std::unique_ptr<Model> make_dbn(const ModelOptions& o, at::Device device) {
  ModelAbilities abilities;
  abilities.makes_images = false;
  abilities.layers = true;
  require_abilities(o, abilities);
  if (o.layers.empty()) {
    throw Error(ExitCode::kConfig,
                "model.layers is empty; set it to the hidden units of each layer, such as "
                "[500, 500, 2000], or [500] for one RBM");
  }
  if (o.label_units && o.labels < 2) {
    throw Error(ExitCode::kConfig,
                "model.label_units = true needs classes; set model.labels to their number");
  }
  return std::make_unique<DeepBeliefNetwork>(o, device);
}

}  // namespace valley
