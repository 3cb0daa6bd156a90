#include "methods/ebgan/margin.h"

#include "core/error.h"
#include "core/text.h"

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
                "no margin is set; set objective.margin, in the unit of objective.energy = "
                "\"{}\", or objective.margin_rmse, as the RMSE of a pixel value",
                options.energy);
  }
  const auto in_unit = [&](double rmse) {
    return margin_from_rmse(energy, rmse, setting.channels, setting.resolution, setting.resolution);
  };
  const double margin = options.margin ? *options.margin : in_unit(*options.margin_rmse);
  // All pixel values differ by the full range.
  const double largest = in_unit(range == PixelRange::kUnit ? 1 : 2);
  if (margin >= largest) {
    throw Error(
        ExitCode::kConfig,
        "the margin {} in the unit of objective.energy = \"{}\" is too large, and the hinge "
        "would never switch off: the maximum energy of {}x{} images with {} in {} is "
        "{}. Set objective.margin_rmse, which does not depend on the energy and the "
        "size (EBGAN's published margins are 0.18)",
        margin, options.energy, setting.resolution, setting.resolution,
        plural(setting.channels, "channel"), range == PixelRange::kUnit ? "[0, 1]" : "[-1, 1]",
        largest);
  }
  return margin;
}

}  // namespace valley
