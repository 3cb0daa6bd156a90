// Deep belief network (Hinton, Osindero, Teh: A Fast Learning Algorithm for Deep Belief Nets,
// Neural Computation 18, 2006): a stack of restricted Boltzmann machines (RBMs). Each models the
// hidden units of the RBM below; the first models all pixels of an image. One layer is an RBM.
//
// model.layers: hidden units of each RBM. model.labels: number of classes, which are label units of
// the top RBM (model.label_units) or outputs of a softmax layer on top of it, which
// back-propagation trains together with all layers below.
//
// Tensors: layers.N.{weight, visible_bias, hidden_bias}, the top one's {label_weight, label_bias},
// layers.0.{pixel_mean, pixel_square}; output.{weight [labels, hidden], bias}.
#pragma once

#include <memory>
#include <vector>

#include "nn/model.h"
#include "nn/rbm.h"

namespace valley {

// Softmax layer on top of the last RBM: hidden units to logits.
class OutputLayer : public Network {
 public:
  OutputLayer(std::int64_t hidden, std::int64_t labels, at::Device device);
  [[nodiscard]] at::Tensor logits(const at::Tensor& h) const;  // [B, hidden] -> [B, labels]
  [[nodiscard]] const at::Tensor& weight() const { return weight_; }
  [[nodiscard]] std::vector<LayerInfo> layers() const override;

 private:
  at::Tensor weight_;
  at::Tensor bias_;
};

class DeepBeliefNetwork : public Model {
 public:
  DeepBeliefNetwork(const ModelOptions& options, at::Device device);

  [[nodiscard]] std::vector<NamedNetwork> networks() const override;
  [[nodiscard]] std::vector<std::string> averaged() const override { return {}; }
  [[nodiscard]] PixelRange pixel_range() const override { return PixelRange::kUnit; }

  [[nodiscard]] std::size_t depth() const { return rbms_.size(); }
  [[nodiscard]] const Rbm& rbm(std::size_t i) const { return *rbms_[i]; }
  [[nodiscard]] const Rbm& top() const { return *rbms_.back(); }
  [[nodiscard]] std::int64_t labels() const { return labels_; }  // classes; 0: none
  [[nodiscard]] bool has_label_units() const { return top().shape().labels > 0; }
  [[nodiscard]] const OutputLayer* output() const { return output_.get(); }  // or null

  // Between images, float [B, C, H, W] in [0, 1], and visible units of the first RBM, [B, visible].
  [[nodiscard]] at::Tensor visible_from_images(const at::Tensor& images) const;
  [[nodiscard]] at::Tensor images_from_visible(const at::Tensor& v) const;  // clamped to [0, 1]
  // Reshapes rows with one value per pixel and channel: [B, visible] -> [B, C, H, W].
  [[nodiscard]] at::Tensor as_images(const at::Tensor& rows) const;
  // Visible units of RBM `level` (0: the first) for `images`: hidden probabilities of the RBM
  // below, passed up layer by layer.
  [[nodiscard]] at::Tensor level_input(std::size_t level, const at::Tensor& images) const;
  // Mean image given states or probabilities of the visible units of RBM `level`.
  [[nodiscard]] at::Tensor images_from_level(std::size_t level, const at::Tensor& v) const;

  // Unnormalized log P(y | x) [B, labels]: the output layer's logits, or -F(h, y) of the top RBM
  // for each label. The softmax is P(y | x).
  [[nodiscard]] at::Tensor class_scores(const at::Tensor& images) const;

  // [B], summed over labels. One RBM: its free energy F(x), with p(x) = exp(-F(x)) / Z. Deeper
  // networks:
  //   F_top(q) - sum over layers below (log P(v | q) + entropy of q),
  // q the hidden probabilities given the layer below. This approximates the lower bound of log p(x)
  // (the 2006 paper, equation 5), which averages over states of q instead of using q itself.
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const;

 private:
  std::vector<std::unique_ptr<Rbm>> rbms_;
  std::unique_ptr<OutputLayer> output_;
  std::int64_t labels_;
  std::int64_t channels_;
  std::int64_t resolution_;
};

// Error kConfig for model options that are not possible.
[[nodiscard]] std::unique_ptr<Model> make_dbn(const ModelOptions& options, at::Device device);

}  // namespace valley
