// A feature network in a TorchScript file, as written by torch.jit.save.
//
// Its interface is that of the InceptionV3 of StyleGAN2-ADA and StyleGAN3
// (inception-2015-12-05.pt): forward(images) takes uint8 [n, 3, H, W] of any size, scales them and
// returns one row of features per image. If forward has an argument `return_features`, it is set to
// true, which selects pooled features instead of class scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

namespace valley {

class FeatureNetwork {
 public:
  // Error kMissingInput or kData naming the file.
  FeatureNetwork(const std::filesystem::path& file, at::Device device);
  ~FeatureNetwork();
  FeatureNetwork(const FeatureNetwork&) = delete;
  FeatureNetwork& operator=(const FeatureNetwork&) = delete;

  // uint8 [n, H, W, C] on the host -> float [n, F] on the host. Gray images are repeated in three
  // channels. Error kData naming the file if the network rejects the images, or does not return one
  // row of finite values per image. Thread-safe on CPUs.
  [[nodiscard]] at::Tensor features(const at::Tensor& pixels) const;

  [[nodiscard]] bool on_gpu() const { return device_.is_cuda(); }
  [[nodiscard]] const std::string& sha256() const { return sha256_; }  // hash of the file

 private:
  struct Script;  // hides large headers of LibTorch
  std::filesystem::path file_;
  at::Device device_;
  std::string sha256_;
  std::unique_ptr<Script> script_;
};

}  // namespace valley
