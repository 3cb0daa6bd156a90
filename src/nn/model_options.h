// The model.* keys: shapes of networks, shared by all methods.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace valley {

// The largest model.width, model.latent and model.hidden. Networks of that size have under 2^47
// parameters and keep under 2^42 bytes per image, so that no count for a batch of 2^20 overflows.
inline constexpr std::int64_t kMaxUnits = 65536;

// The model.* keys. A saved model has them in its metadata, so that its file is enough to rebuild
// it.
struct ModelOptions {
  std::string name = "began";
  std::int64_t resolution = 64;  // pixels; each model's header lists the supported values
  std::int64_t channels = 3;     // 1 or 3
  std::int64_t width = 128;      // filters, the paper's n
  std::int64_t latent = 64;      // latent dimension
  std::int64_t hidden = 64;      // bottleneck dimension of the autoencoder
  bool skip_connections = false;
  std::string downsample = "strided";
  std::string latent_distribution = "uniform";  // U(-1, 1); "normal": N(0, 1)
  // Last activation of networks that output images: "linear", "tanh" (images in [-1, 1]) or
  // "sigmoid" (images in [0, 1]).
  std::string output = "linear";
  bool batch_norm = false;
  bool spectral_norm = false;
  std::int64_t vanishing_residuals = 0;  // steps in which the carry decays from 1 to 0; 0: none
  // Deep belief networks
  std::vector<std::int64_t> layers;         // hidden units of each RBM, from the pixels up
  std::string visible_units = "bernoulli";  // units of the first RBM; or "gaussian"
  std::int64_t labels = 0;                  // classes; 0: none
  bool label_units = false;                 // adds one label unit per class to the top RBM
  std::string initial_weights = "small";    // N(0, 0.01), or "xavier"

  [[nodiscard]] std::map<std::string, std::string> to_metadata() const;  // "model.width" -> "128"
  // Error kData naming `where` and the key if a key is missing or has a value of another type.
  static ModelOptions from_metadata(const std::map<std::string, std::string>& metadata,
                                    const std::string& where);
};

}  // namespace valley
