#include "inference/image_energy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include "core/error.h"
#include "inference/likely_labels.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/adversarial/energies.h"
#include "methods/dbn/networks.h"
#include "methods/ebm/energy_model.h"

namespace valley {
namespace {

constexpr double kByteMax = 255;

class NetworkEnergy final : public ImageEnergy {
 public:
  NetworkEnergy(const EnergyNetwork& network, at::Device device)
      : network_(network), device_(device) {}
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const override {
    return network_.energy(images);
  }
  [[nodiscard]] std::string describe() const override { return "energy of the network"; }
  [[nodiscard]] bool is_density() const override { return true; }
  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const EnergyNetwork& network_;
  at::Device device_;
};

class BeliefEnergy final : public ImageEnergy {
 public:
  BeliefEnergy(const DeepBeliefNetwork& dbn, at::Device device) : dbn_(dbn), device_(device) {}
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const override {
    return dbn_.energy(images);
  }
  [[nodiscard]] std::string describe() const override {
    return dbn_.depth() == 1 ? "free energy, nats" : "free energy by mean-field values, nats";
  }
  [[nodiscard]] bool is_density() const override { return true; }
  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const DeepBeliefNetwork& dbn_;
  at::Device device_;
};

class ReconstructionEnergy final : public ImageEnergy {
 public:
  ReconstructionEnergy(const AutoencoderGan& gan, const std::string& energy, at::Device device)
      : gan_(gan), name_(energy), energy_(parse_energy(energy)), device_(device) {}
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const override {
    const bool is_unit = gan_.pixel_range() == PixelRange::kUnit;
    const at::Tensor x = is_unit ? images : images * 2 - 1;
    return sample_energies(energy_, x,
                           gan_.discriminator().reconstruct(x, likely_labels(gan_, energy_, x)));
  }
  [[nodiscard]] std::string describe() const override {
    return "error of the discriminator's reconstruction (" + name_ +
           (gan_.discriminator().labels() > 0 ? ", lowest of all classes)" : ")");
  }
  [[nodiscard]] bool is_density() const override { return false; }
  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const AutoencoderGan& gan_;
  std::string name_;
  Energy energy_;
  at::Device device_;
};

// A string of the metadata, without its TOML quotes.
std::string metadata_string(const SavedModel& saved, const std::string& key) {
  const auto found = saved.metadata.find(key);
  if (found == saved.metadata.end() || found->second.size() < 2)
    throw Error(
        ExitCode::kData,
        "{}: its metadata has no \"{}\", which defines its energy; copy the file from its run "
        "again",
        saved.file.string(), key);
  return found->second.substr(1, found->second.size() - 2);
}

}  // namespace

std::unique_ptr<ImageEnergy> make_image_energy(const SavedModel& saved, at::Device device) {
  if (const auto* energy = dynamic_cast<const EnergyModel*>(saved.model.get()))
    return std::make_unique<NetworkEnergy>(energy->energy(), device);
  if (const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get()))
    return std::make_unique<BeliefEnergy>(*dbn, device);
  if (const auto* gan = dynamic_cast<const AutoencoderGan*>(saved.model.get())) {
    try {
      return std::make_unique<ReconstructionEnergy>(
          *gan, metadata_string(saved, "objective.energy"), device);
    } catch (const Error& error) {
      if (error.code() == ExitCode::kData) throw;
      throw Error(ExitCode::kData, "{}: its metadata name an unknown energy: {}",
                  saved.file.string(), error.what());
    }
  }
  throw Error(ExitCode::kData,
              "{}: a model \"{}\" has no energy function of images; use another model",
              saved.file.string(), saved.options.name);
}

at::Tensor unit_images(const at::Tensor& pixels, at::Device device) {
  const at::Tensor there = pixels.to(device).permute({0, 3, 1, 2});
  const at::Tensor images =
      at::empty(there.sizes(), there.options().dtype(at::kFloat), at::MemoryFormat::ChannelsLast);
  images.copy_(there);
  return images.div_(kByteMax);
}

}  // namespace valley
