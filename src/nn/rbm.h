// RBM (restricted Boltzmann machine): visible units, binary hidden units, and optionally one-hot
// label units (softmax).
//
//   E(v, h, y) = -h'Wv - b'v - c'h - d'y - h'Uy                Bernoulli visible units
//   E(v, h, y) = |v - b|^2 / 2 - h'Wv - c'h - d'y - h'Uy       Gaussian units of variance 1
//
// (Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010, sections 1, 13.2 and
// 16.1.) Summing over h gives the free energy
//   F(v, y) = -b'v - d'y - sum_j softplus(c + Wv + Uy)_j       Gaussian: |v - b|^2 / 2 instead of
//   -b'v
//
// Tensors: weight W [hidden, visible], visible_bias b, hidden_bias c, label_weight U [hidden,
// labels], label_bias d. v is float [B, visible], h [B, hidden], y [B, labels], one row per sample;
// y is one-hot or has the probabilities of labels, and is undefined without label units.
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
  bool sees_images = true;  // the visible units are pixels, whose moments are buffers
};

class Rbm : public Network {
 public:
  Rbm(const RbmShape& shape, at::Device device);

  [[nodiscard]] const RbmShape& shape() const { return shape_; }
  [[nodiscard]] bool is_gaussian() const { return shape_.units == VisibleUnits::kGaussian; }

  // Input of the hidden units, c + Wv + Uy, and its sigmoid, P(h_j = 1 | v, y). With label units
  // and y undefined, without Uy.
  [[nodiscard]] at::Tensor hidden_input(const at::Tensor& v, const at::Tensor& y = {}) const;
  [[nodiscard]] at::Tensor hidden(const at::Tensor& v, const at::Tensor& y = {}) const;
  // b + W'h, and the mean of v given h: its sigmoid; for Gaussian units b + W'h itself.
  [[nodiscard]] at::Tensor visible_input(const at::Tensor& h) const;
  [[nodiscard]] at::Tensor visible_mean(const at::Tensor& h) const;
  // P(y | h) [B, labels].
  [[nodiscard]] at::Tensor label_probabilities(const at::Tensor& h) const;

  // F(v, y) [B]. With label units and y undefined: F(v) = -log sum_y exp(-F(v, y)).
  [[nodiscard]] at::Tensor free_energy(const at::Tensor& v, const at::Tensor& y = {}) const;
  // The same from the result of hidden_input(v, y).
  [[nodiscard]] at::Tensor free_energy_of(const at::Tensor& hidden_input, const at::Tensor& v,
                                          const at::Tensor& y = {}) const;
  // F(v, y) for every label: [B, labels].
  [[nodiscard]] at::Tensor free_energies_of_labels(const at::Tensor& v) const;
  // log P(v | h) [B]; for Gaussian units with the normalization constant.
  [[nodiscard]] at::Tensor log_likelihood(const at::Tensor& v, const at::Tensor& h) const;

  // Pixels, float [B, visible] in [0, 1] in the order C, H, W, to visible units and back. For
  // Bernoulli units a pixel is the probability of 1. For Gaussian units pixels are standardized by
  // their moments, with standard deviations of at least 0.05.
  [[nodiscard]] at::Tensor from_unit(const at::Tensor& pixels) const;
  [[nodiscard]] at::Tensor to_unit(const at::Tensor& v) const;  // not clamped
  // Adds `weight` times the moments of `pixels` [B, visible] to the statistics.
  void note_moments(const at::Tensor& pixels, double weight) const;
  // Sets the visible biases from the pixels' means p: log(p / (1 - p)), p clamped to [0.01, 0.99],
  // for Bernoulli units (section 8.1); 0 for Gaussian units.
  void set_visible_bias() const;

  [[nodiscard]] const at::Tensor& weight() const { return weight_; }
  [[nodiscard]] const at::Tensor& visible_bias() const { return visible_bias_; }
  [[nodiscard]] const at::Tensor& hidden_bias() const { return hidden_bias_; }
  [[nodiscard]] const at::Tensor& label_weight() const { return label_weight_; }
  [[nodiscard]] const at::Tensor& label_bias() const { return label_bias_; }
  // Mean of the pixels [visible] over the training images; undefined without RbmShape::sees_images.
  [[nodiscard]] const at::Tensor& pixel_mean() const { return pixel_mean_; }

  [[nodiscard]] std::vector<LayerInfo> layers() const override;

 private:
  [[nodiscard]] at::Tensor pixel_deviation() const;
  [[nodiscard]] at::Tensor visible_energy(
      const at::Tensor& v) const;  // [B], the terms of F in v alone
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
