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

#include "models/compute.h"
#include "models/layers.h"
#include "models/parameters.h"

namespace valley {

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

// What the passes through a network do besides computing; the trainer says it, layers heed it.
struct PassContext {
  // Whether batch norm takes the moments of the microbatch at hand, or the running ones.
  bool batch_statistics = false;
  // Above 0: each pass adds this share of its moments' differences to the running ones' .grad.
  double statistics_weight = 0;
};

class Network {
 public:
  explicit Network(at::Device device)
      : parameters_(device),
        context_(std::make_shared<PassContext>()),
        compute_(std::make_shared<ComputeOptions>()) {}
  virtual ~Network() = default;
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }
  [[nodiscard]] virtual std::vector<LayerInfo> layers()
      const = 0;  // in the order of the forward pass
  [[nodiscard]] PassContext& context() const { return *context_; }     // shared with the layers
  [[nodiscard]] ComputeOptions& compute() const { return *compute_; }  // likewise
  // Sets the derived buffers as parameters and the number of steps done (0: at the start) ask for.
  // Called without gradients, on all ranks alike, after each step.
  virtual void end_step(std::int64_t /*steps_done*/) const {}
  // Between fix_weights(true) and fix_weights(false) parameters do not change and get no gradients:
  // weights that are computed from them are computed once, into tensors that keep their places. One
  // thread at a time.
  virtual void fix_weights(bool /*fixed*/) const {}

 protected:
  ParameterSet parameters_;
  // What is computed with, from what callers have, and back.
  [[nodiscard]] at::Tensor enter(const at::Tensor& x) const { return x.to(compute_->type); }
  [[nodiscard]] static at::Tensor leave(const at::Tensor& y) { return y.to(at::kFloat); }

  std::shared_ptr<PassContext> context_;
  std::shared_ptr<ComputeOptions> compute_;
};

// What networks take and return is float, whatever they compute with.

// Images from latent vectors.
class Generator : public Network {
 public:
  using Network::Network;
  // [B, latent] -> [B, C, H, W]
  [[nodiscard]] at::Tensor generate(const at::Tensor& z) const { return leave(forward(enter(z))); }

 protected:
  [[nodiscard]] virtual at::Tensor forward(const at::Tensor& z) const = 0;
};

// Images to images of the same shape, through a code: [B, hidden], or [B, n, h, w].
class Autoencoder : public Network {
 public:
  using Network::Network;
  [[nodiscard]] at::Tensor encode(const at::Tensor& x) const { return leave(code_of(enter(x))); }
  [[nodiscard]] at::Tensor decode(const at::Tensor& h) const { return leave(image_of(enter(h))); }
  [[nodiscard]] at::Tensor reconstruct(const at::Tensor& x) const { return decode(encode(x)); }

 protected:
  [[nodiscard]] virtual at::Tensor code_of(const at::Tensor& x) const = 0;   // of [B, C, H, W]
  [[nodiscard]] virtual at::Tensor image_of(const at::Tensor& h) const = 0;  // to [B, C, H, W]
};

// A number for each image, low where images are likely.
class EnergyNetwork : public Network {
 public:
  using Network::Network;
  // [B, C, H, W] -> [B]
  [[nodiscard]] at::Tensor energy(const at::Tensor& x) const { return leave(forward(enter(x))); }

 protected:
  [[nodiscard]] virtual at::Tensor forward(const at::Tensor& x) const = 0;
};

// The values that a model's images have.
enum class PixelRange { kSymmetric, kUnit };  // [-1, 1], [0, 1]

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
  // What images are scaled to before networks see them, and what generators write.
  [[nodiscard]] virtual PixelRange pixel_range() const { return PixelRange::kSymmetric; }
  // Whether a network couples the samples of a microbatch (batch norm).
  [[nodiscard]] virtual bool couples_samples() const { return false; }
  [[nodiscard]] Network& network(const std::string& name) const;
  [[nodiscard]] bool has_network(const std::string& name) const;
  void initialize(std::uint64_t seed) const;
  // The file that the weights were loaded from, for messages; empty while they are trained.
  [[nodiscard]] const std::string& origin() const { return origin_; }
  void set_origin(std::string file) { origin_ = std::move(file); }

 private:
  std::string origin_;
};

// A generator against an autoencoder: EBGAN, BEGAN, MAGAN.
class AutoencoderGan : public Model {
 public:
  // `options`: those that the networks were made of.
  AutoencoderGan(std::unique_ptr<Generator> generator, std::unique_ptr<Autoencoder> discriminator,
                 const ModelOptions& options);
  [[nodiscard]] std::vector<NamedNetwork> networks() const override;
  [[nodiscard]] PixelRange pixel_range() const override { return range_; }
  [[nodiscard]] bool couples_samples() const override { return batch_norm_; }
  [[nodiscard]] std::vector<std::string> averaged() const override { return {"generator"}; }
  [[nodiscard]] const Generator& generator() const { return *generator_; }
  [[nodiscard]] const Autoencoder& discriminator() const { return *discriminator_; }

 private:
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<Autoencoder> discriminator_;
  PixelRange range_;
  bool batch_norm_;
};

// An energy alone, whose samples are drawn by Markov chains.
class EnergyModel : public Model {
 public:
  explicit EnergyModel(std::unique_ptr<EnergyNetwork> energy) : energy_(std::move(energy)) {}
  [[nodiscard]] std::vector<NamedNetwork> networks() const override {
    return {{"energy", energy_.get()}};
  }
  [[nodiscard]] std::vector<std::string> averaged() const override { return {"energy"}; }
  [[nodiscard]] PixelRange pixel_range() const override { return PixelRange::kUnit; }
  [[nodiscard]] const EnergyNetwork& energy() const { return *energy_; }

 private:
  std::unique_ptr<EnergyNetwork> energy_;
};

// The largest model.width, model.latent and model.hidden. Networks of that size have under 2^47
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
