// What a model is to the trainer: named groups of parameters, each stepped as one; and to
// objectives: networks.
//
// To add a model: write its networks and a Model that owns them, and one line in registry.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/layers.h"
#include "models/parameters.h"

namespace valley {

// The model.* keys. A saved model carries them in its metadata, so that it can be built again from
// its file alone.
struct ModelOptions {
  std::string name = "began";
  std::int64_t resolution = 64;  // pixels, a power of two
  std::int64_t channels = 3;     // 1 or 3
  std::int64_t width = 128;      // filters, the paper's n
  std::int64_t latent = 64;      // numbers the generator draws from
  std::int64_t hidden = 64;      // numbers between the encoder and the decoder of an autoencoder
  bool skip_connections = false;
  std::string downsample = "strided";

  [[nodiscard]] std::map<std::string, std::string> to_metadata() const;  // "model.width" -> "128"
  // Error kData naming `where` and the key when one is missing or no value of its kind.
  static ModelOptions from_metadata(const std::map<std::string, std::string>& metadata,
                                    const std::string& where);
};

class Network {
 public:
  explicit Network(at::Device device) : parameters_(device) {}
  virtual ~Network() = default;
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }
  [[nodiscard]] virtual std::vector<LayerInfo> layers()
      const = 0;  // in the order of the forward pass

 protected:
  ParameterSet parameters_;
};

// Images from latent vectors.
class Generator : public Network {
 public:
  using Network::Network;
  [[nodiscard]] virtual at::Tensor generate(
      const at::Tensor& z) const = 0;  // [B, latent] -> [B, C, H, W]
};

// Images to images of the same shape, through a narrow code.
class Autoencoder : public Network {
 public:
  using Network::Network;
  [[nodiscard]] virtual at::Tensor encode(
      const at::Tensor& x) const = 0;  // [B, C, H, W] -> [B, hidden]
  [[nodiscard]] virtual at::Tensor decode(
      const at::Tensor& h) const = 0;  // [B, hidden] -> [B, C, H, W]
  [[nodiscard]] at::Tensor reconstruct(const at::Tensor& x) const { return decode(encode(x)); }
};

struct NamedNetwork {
  std::string name;  // the prefix of its tensors in files: "generator"
  Network* network;  // owned by the model
};

class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual std::vector<NamedNetwork> networks() const = 0;
  // Networks of which a moving average is kept and used for samples; "NAME_ema" in files.
  [[nodiscard]] virtual std::vector<std::string> averaged() const = 0;
  [[nodiscard]] Network& network(const std::string& name) const;
  void initialize(std::uint64_t seed) const;
};

// A generator against an autoencoder: EBGAN, BEGAN, MAGAN.
class AutoencoderGan : public Model {
 public:
  AutoencoderGan(std::unique_ptr<Generator> generator, std::unique_ptr<Autoencoder> discriminator);
  [[nodiscard]] std::vector<NamedNetwork> networks() const override;
  [[nodiscard]] std::vector<std::string> averaged() const override { return {"generator"}; }
  [[nodiscard]] const Generator& generator() const { return *generator_; }
  [[nodiscard]] const Autoencoder& discriminator() const { return *discriminator_; }

 private:
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<Autoencoder> discriminator_;
};

// The largest model.width, model.latent and model.hidden. Networks of that size have under 2^44
// parameters and keep under 2^42 bytes an image, so that no count of a batch of 2^20 overflows.
inline constexpr std::int64_t kMostUnits = 65536;

// The model that `options.name` names, on the CPU, uninitialised (zeros). Error kConfig for an
// unknown name or a shape that it cannot have.
[[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options);

// The same networks with names, shapes and tables of layers, but without memory for their values:
// what a config or a file asks for can be counted before anything is allocated.
[[nodiscard]] std::unique_ptr<Model> outline_model(const ModelOptions& options);
[[nodiscard]] std::vector<std::string> model_names();

}  // namespace valley
