#include "objectives/requirements.h"

#include "core/error.h"

namespace valley {

const AutoencoderGan& require_autoencoder_gan(const Model& model, const ObjectiveOptions& options) {
  const auto* gan = dynamic_cast<const AutoencoderGan*>(&model);
  if (gan == nullptr) {
    throw Error(
        ExitCode::kConfig,
        "objective.name = \"{0}\" needs a model with a generator and an autoencoder; choose "
        "model.name = \"{0}\"",
        options.name);
  }
  return *gan;
}

void require_alternating(const ObjectiveOptions& options, const ObjectiveSetting& setting) {
  if (setting.schedule == "alternating") return;
  throw Error(ExitCode::kConfig,
              "train.schedule = \"{}\" is one of BEGAN's; \"{}\" draws latents afresh for each of "
              "its updates: set train.schedule = \"alternating\"",
              setting.schedule, options.name);
}

void refuse_margins(const ObjectiveOptions& options, const std::string& instead) {
  if (!options.margin && !options.margin_rmse) return;
  throw Error(ExitCode::kConfig,
              "objective.{} is set, which is EBGAN's; objective.name = \"{}\" {}: leave it out",
              options.margin ? "margin" : "margin_rmse", options.name, instead);
}

double stated_margin(const ObjectiveOptions& options, Energy energy, PixelRange range,
                     const ObjectiveSetting& setting) {
  if (options.margin && options.margin_rmse) {
    throw Error(
        ExitCode::kConfig,
        "objective.margin = {} and objective.margin_rmse = {} are both set; set one of them",
        *options.margin, *options.margin_rmse);
  }
  if (!options.margin && !options.margin_rmse) {
    throw Error(ExitCode::kConfig,
                "no margin is stated: set objective.margin, in the unit of objective.energy = "
                "\"{}\", or objective.margin_rmse, as the root of a pixel's mean squared error",
                options.energy);
  }
  const auto in_unit = [&](double rmse) {
    return margin_of_rmse(energy, rmse, setting.channels, setting.resolution, setting.resolution);
  };
  const double margin = options.margin ? *options.margin : in_unit(*options.margin_rmse);
  // Every number off by the whole range.
  const double largest = in_unit(range == PixelRange::kUnit ? 1 : 2);
  if (margin >= largest) {
    throw Error(ExitCode::kConfig,
                "a margin of {} in the unit of objective.energy = \"{}\" can never be reached, so "
                "that the hinge would never switch off: the largest energy of {}x{} images of {} "
                "channel{} in {} is {}. Set objective.margin_rmse, which fits any energy and size "
                "(EBGAN's published margins are 0.18)",
                margin, options.energy, setting.resolution, setting.resolution, setting.channels,
                setting.channels == 1 ? "" : "s", range == PixelRange::kUnit ? "[0, 1]" : "[-1, 1]",
                largest);
  }
  return margin;
}

}  // namespace valley
