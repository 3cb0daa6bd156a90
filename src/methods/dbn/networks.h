// Deep belief network (Hinton, Osindero, Teh: A Fast Learning Algorithm for Deep Belief Nets,
// Neural Computation 18, 2006): restricted Boltzmann machines, each of which models what the one
// below it makes of the data. One machine alone is an RBM.
//
// The first sees all pixels of an image; hidden units of each are model.layers. With model.labels
// there are classes: as label units of the top machine (model.label_units), or as an output layer
// on top of it, a softmax that back-propagation trains together with all layers below.
//
// Tensors: layers.N.{weight, visible_bias, hidden_bias}, the top one's {label_weight, label_bias},
// layers.0.{pixel_mean, pixel_square}; output.{weight [labels, hidden], bias}.
#pragma once

#include <memory>
#include <vector>

#include "nn/model.h"
#include "nn/rbm.h"

namespace valley {

// The softmax layer on top: hidden units to logits.
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
  [[nodiscard]] std::int64_t labels() const { return labels_; }  // classes; 0: it knows none
  [[nodiscard]] bool has_label_units() const { return top().shape().labels > 0; }
  [[nodiscard]] const OutputLayer* output() const { return output_.get(); }  // or null

  // Images as the first machine's visible units, and back: float [B, C, H, W] in [0, 1] <-> [B,
  // visible].
  [[nodiscard]] at::Tensor visible_of(const at::Tensor& images) const;
  [[nodiscard]] at::Tensor images_of(const at::Tensor& v) const;  // clamped to [0, 1]
  // Rows of numbers, one a pixel, in the shape of images: [B, visible] -> [B, C, H, W].
  [[nodiscard]] at::Tensor as_images(const at::Tensor& rows) const;
  // What machine `level` (0: the first) sees of `images`: probabilities of the hidden units below
  // it, each layer's taken for the states of the next one's visible units.
  [[nodiscard]] at::Tensor input_of(std::size_t level, const at::Tensor& images) const;
  // The mean of an image given states or probabilities of what machine `level` sees.
  [[nodiscard]] at::Tensor images_from(std::size_t level, const at::Tensor& v) const;

  // Unnormalised log P(y | x) [B, labels]: the output layer's logits, or -F(h, y) of the top
  // machine, of which labels are searched exhaustively. Its softmax is P(y | x).
  [[nodiscard]] at::Tensor class_scores(const at::Tensor& images) const;

  // [B], labels summed out. Of one machine its free energy F(x): p(x) = exp(-F(x)) / Z. Of a deeper
  // network that of its top machine plus what is lost on the way there, each hidden unit q at its
  // probability given the layer below:
  //   F_top(q) - sum over layers below (log P(v | q) + entropy of q),
  // an approximation: the lower bound of log p(x) (the 2006 paper, equation 5) has a mean over
  // states of q where this has q itself.
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const;

 private:
  std::vector<std::unique_ptr<Rbm>> rbms_;
  std::unique_ptr<OutputLayer> output_;
  std::int64_t labels_;
  std::int64_t channels_;
  std::int64_t resolution_;
};

// Error kConfig for shapes that it cannot have.
[[nodiscard]] std::unique_ptr<Model> make_dbn(const ModelOptions& options, at::Device device);

}  // namespace valley
