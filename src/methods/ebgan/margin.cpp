#include "methods/ebgan/margin.h"

#include "core/error.h"

namespace valley {

double stated_margin(const EbganOptions& options, Energy energy, PixelRange range,
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
  // Every pixel value differs by the whole range.
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
