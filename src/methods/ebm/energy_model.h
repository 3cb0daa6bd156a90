// The model of an EBM: one energy network, whose samples are drawn by Markov chains.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/model.h"

namespace valley {

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

}  // namespace valley
