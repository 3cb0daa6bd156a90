// A feature network that a user names: TorchScript, as torch.jit.save writes it.
//
// The convention is that of the InceptionV3 that StyleGAN2-ADA and StyleGAN3 measure with
// (inception-2015-12-05.pt): forward(images) takes uint8 [n, 3, H, W] of any size, scales them
// itself and returns a row of features an image. Where forward has an argument `return_features`,
// true is passed, which gives the pooled features in place of class scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

namespace valley {

class FeatureNetwork {
 public:
  // Error kMissingInput or kData naming the file: not there, no TorchScript.
  FeatureNetwork(const std::filesystem::path& file, at::Device device);
  ~FeatureNetwork();
  FeatureNetwork(const FeatureNetwork&) = delete;
  FeatureNetwork& operator=(const FeatureNetwork&) = delete;

  // uint8 [n, H, W, C] on the host -> float [n, F] on the host; gray images are given three equal
  // channels. Error kData naming the file where the network does not take these images, or returns
  // something else than a row of finite numbers for each. On CPUs several threads may call.
  [[nodiscard]] at::Tensor features(const at::Tensor& pixels) const;

  [[nodiscard]] bool on_gpu() const { return device_.is_cuda(); }
  [[nodiscard]] const std::string& sha256() const { return sha256_; }  // of the file

 private:
  struct Script;  // what needs LibTorch's large headers
  std::filesystem::path file_;
  at::Device device_;
  std::string sha256_;
  std::unique_ptr<Script> script_;
};

}  // namespace valley
