// Restricted Boltzmann machine: visible units, binary hidden units, and, if it has any, a group of
// label units of which one is on (softmax).
//
//   E(v, h, y) = -h'Wv - b'v - c'h - d'y - h'Uy                Bernoulli visible units
//   E(v, h, y) = |v - b|^2 / 2 - h'Wv - c'h - d'y - h'Uy       Gaussian ones, of variance 1
//
// (Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010, sections 1, 13.2 and
// 16.1.) Summed over h, the free energy is
//   F(v, y) = -b'v - d'y - sum_j softplus(c + Wv + Uy)_j       Gaussian: |v - b|^2 / 2 for -b'v
//
// Tensors: weight W [hidden, visible], visible_bias b, hidden_bias c, label_weight U [hidden,
// labels], label_bias d. In all of these v is float [B, visible], h [B, hidden], y [B, labels]: one
// row a sample; y is one-hot, or the probabilities of labels, and undefined where the machine has
// no label units.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/model.h"

namespace valley {

enum class VisibleUnits { kBernoulli, kGaussian };

struct RbmShape {
  std::int64_t visible = 1;
  std::int64_t hidden = 1;
  std::int64_t labels = 0;  // 0: no label units
  VisibleUnits units = VisibleUnits::kBernoulli;
  Initializer weights = Initializer::normal(0.01);
  bool sees_images = true;  // keeps the pixels' moments as buffers
};

class Rbm : public Network {
 public:
  Rbm(const RbmShape& shape, at::Device device);

  [[nodiscard]] const RbmShape& shape() const { return shape_; }
  [[nodiscard]] bool is_gaussian() const { return shape_.units == VisibleUnits::kGaussian; }

  // What reaches the hidden units, c + Wv + Uy, and its sigmoid, P(h_j = 1 | v, y). With label
  // units and y undefined: by v alone, Uy left out.
  [[nodiscard]] at::Tensor hidden_input(const at::Tensor& v, const at::Tensor& y = {}) const;
  [[nodiscard]] at::Tensor hidden(const at::Tensor& v, const at::Tensor& y = {}) const;
  // b + W'h, and the mean of v given h: its sigmoid, or itself for Gaussian units.
  [[nodiscard]] at::Tensor visible_input(const at::Tensor& h) const;
  [[nodiscard]] at::Tensor visible_mean(const at::Tensor& h) const;
  // P(y | h) [B, labels].
  [[nodiscard]] at::Tensor label_probabilities(const at::Tensor& h) const;

  // F(v, y) [B]. With label units and y undefined: F(v) = -log sum_y exp(-F(v, y)).
  [[nodiscard]] at::Tensor free_energy(const at::Tensor& v, const at::Tensor& y = {}) const;
  // The same of what hidden_input(v, y) has given already.
  [[nodiscard]] at::Tensor free_energy_of(const at::Tensor& hidden_input, const at::Tensor& v,
                                          const at::Tensor& y = {}) const;
  // F(v, y) for every label: [B, labels].
  [[nodiscard]] at::Tensor free_energies_of_labels(const at::Tensor& v) const;
  // log P(v | h) [B]; of Gaussian units with the density's constant.
  [[nodiscard]] at::Tensor log_likelihood(const at::Tensor& v, const at::Tensor& h) const;

  // Images as visible units and back: float [B, visible] in [0, 1], in the order C, H, W. Bernoulli
  // units take a pixel for the probability of being on. Gaussian ones are standardised by the
  // pixels' moments; deviations below 0.05 count as that.
  [[nodiscard]] at::Tensor from_unit(const at::Tensor& pixels) const;
  [[nodiscard]] at::Tensor to_unit(const at::Tensor& v) const;  // not clamped
  // Adds what `pixels` [B, visible] say of the moments, times `weight`, to the statistics.
  void note_moments(const at::Tensor& pixels, double weight) const;
  // Visible biases as the pixels' means have them: log(p / (1 - p)) with p within [0.01, 0.99] for
  // Bernoulli units (section 8.1), 0 for Gaussian ones.
  void set_visible_bias() const;

  [[nodiscard]] const at::Tensor& weight() const { return weight_; }
  [[nodiscard]] const at::Tensor& visible_bias() const { return visible_bias_; }
  [[nodiscard]] const at::Tensor& hidden_bias() const { return hidden_bias_; }
  [[nodiscard]] const at::Tensor& label_weight() const { return label_weight_; }
  [[nodiscard]] const at::Tensor& label_bias() const { return label_bias_; }
  // Of the pixels: mean and mean square [visible], over a pass of training; undefined where the
  // machine does not see images.
  [[nodiscard]] const at::Tensor& pixel_mean() const { return pixel_mean_; }

  [[nodiscard]] std::vector<LayerInfo> layers() const override;

 private:
  [[nodiscard]] at::Tensor pixel_deviation() const;
  [[nodiscard]] at::Tensor visible_energy(const at::Tensor& v) const;  // [B]: what of F is v's own
  RbmShape shape_;
  at::Tensor weight_;
  at::Tensor visible_bias_;
  at::Tensor hidden_bias_;
  at::Tensor label_weight_;
  at::Tensor label_bias_;
  at::Tensor pixel_mean_;
  at::Tensor pixel_square_;
};

}  // namespace valley
