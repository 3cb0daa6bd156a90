// The model.* keys: shapes of networks, shared by all methods.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace valley {

// The largest model.width, model.latent and model.hidden. Networks of that size have under 2^47
// parameters and keep under 2^42 bytes an image, so that no count of a batch of 2^20 overflows.
inline constexpr std::int64_t kMostUnits = 65536;

// The model.* keys. A saved model carries them in its metadata, so that it can be built again from
// its file alone.
struct ModelOptions {
  std::string name = "began";
  std::int64_t resolution = 64;  // pixels; each model's header says which
  std::int64_t channels = 3;     // 1 or 3
  std::int64_t width = 128;      // filters, the paper's n
  std::int64_t latent = 64;      // numbers the generator draws from
  std::int64_t hidden = 64;      // numbers between the encoder and the decoder of an autoencoder
  bool skip_connections = false;
  std::string downsample = "strided";
  std::string latent_distribution = "uniform";  // of z: U(-1, 1), or "normal": N(0, 1)
  // What the last layer of networks that make images is followed by: "linear", "tanh" ([-1, 1]) or
  // "sigmoid", with which images are in [0, 1].
  std::string output = "linear";
  bool batch_norm = false;
  bool spectral_norm = false;
  std::int64_t vanishing_residuals = 0;  // steps in which their carry falls from 1 to 0; 0: none
  // Deep belief networks
  std::vector<std::int64_t> layers;         // hidden units of each machine, from the pixels up
  std::string visible_units = "bernoulli";  // of the first: or "gaussian"
  std::int64_t labels = 0;                  // classes; 0: none
  bool label_units = false;                 // classes as units of the top machine
  std::string initial_weights = "small";    // N(0, 0.01), or "xavier"

  [[nodiscard]] std::map<std::string, std::string> to_metadata() const;  // "model.width" -> "128"
  // Error kData naming `where` and the key when one is missing or no value of its kind.
  static ModelOptions from_metadata(const std::map<std::string, std::string>& metadata,
                                    const std::string& where);
};

}  // namespace valley
