#include "nn/option_checks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kDigitsBase = 7;

void check_units(const char* key, std::int64_t value) {
  if (value < 1 || value > kMaxUnits)
    throw Error(ExitCode::kConfig, "{} is {}; it must be from 1 to {}", key, value, kMaxUnits);
}

void check_one_of(const char* key, const std::string& value,
                  const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
  throw Error(ExitCode::kConfig, "{} is \"{}\"; it can be \"{}\"", key, value,
              fmt::join(allowed, "\", \""));
}

void check_shape(const ModelOptions& o, const std::vector<std::int64_t>& resolutions) {
  if (!resolutions.empty() &&
      std::find(resolutions.begin(), resolutions.end(), o.resolution) == resolutions.end()) {
    throw Error(ExitCode::kConfig, "model.resolution is {}; the networks of {} can have {}",
                o.resolution, o.name, fmt::join(resolutions, ", "));
  }
  if (o.channels != 1 && o.channels != 3) {
    throw Error(ExitCode::kConfig, "model.channels is {}; images have 1 (gray) or 3 (RGB)",
                o.channels);
  }
  check_units("model.width", o.width);
  check_units("model.latent", o.latent);
  check_units("model.hidden", o.hidden);
  for (const std::int64_t hidden : o.layers) check_units("model.layers", hidden);
  if (o.labels < 0 || o.labels == 1 || o.labels > kMaxUnits) {
    throw Error(ExitCode::kConfig,
                "model.labels is {}; it must be from 2 to {}, or 0 for a model without labels",
                o.labels, kMaxUnits);
  }
  check_one_of("model.visible_units", o.visible_units, {"bernoulli", "gaussian"});
  check_one_of("model.initial_weights", o.initial_weights, {"small", "xavier"});
  check_one_of("model.downsample", o.downsample, {"strided", "extra"});
  check_one_of("model.output", o.output, {"linear", "tanh", "sigmoid"});
  check_one_of("model.latent_distribution", o.latent_distribution, {"uniform", "normal"});
  if (o.vanishing_residuals < 0) {
    throw Error(ExitCode::kConfig,
                "model.vanishing_residuals is {}; it must be a number of steps, 0 or more",
                o.vanishing_residuals);
  }
}

}  // namespace

Pyramid make_pyramid(std::int64_t resolution, std::int64_t base) {
  const std::int64_t lowest = resolution == kMnistSide ? kDigitsBase : base;
  return {lowest, std::countr_zero(static_cast<std::uint64_t>(resolution / lowest))};
}

void require_abilities(const ModelOptions& o, const ModelAbilities& can) {
  check_shape(o, can.resolutions);
  const auto reject = [&](bool asked, bool able, const char* setting, const char* way_out) {
    if (asked && !able) {
      throw Error(ExitCode::kConfig, "{} is not supported by the networks of {}; set {}", setting,
                  o.name, way_out);
    }
  };
  reject(o.skip_connections, can.skip_connections, "model.skip_connections = true",
         "model.skip_connections=false");
  reject(o.downsample == "extra", can.extra_downsampling, "model.downsample = \"extra\"",
         "model.downsample=strided");
  reject(o.output != "linear", can.makes_images, "model.output other than \"linear\"",
         "model.output=linear");
  reject(o.batch_norm, can.batch_norm, "model.batch_norm = true", "model.batch_norm=false");
  reject(o.spectral_norm, can.spectral_norm, "model.spectral_norm = true",
         "model.spectral_norm=false");
  reject(!o.layers.empty(), can.layers, "model.layers", "model.layers=[]");
  reject(o.visible_units != "bernoulli", can.layers, "model.visible_units other than \"bernoulli\"",
         "model.visible_units=bernoulli");
  reject(o.labels > 0, can.labels || can.layers, "model.labels", "model.labels=0");
  reject(o.label_units, can.layers, "model.label_units = true", "model.label_units=false");
  reject(o.initial_weights != "small", can.layers, "model.initial_weights other than \"small\"",
         "model.initial_weights=small");
  reject(o.vanishing_residuals > 0, can.vanishing_residuals, "model.vanishing_residuals",
         "model.vanishing_residuals=0");
}

}  // namespace valley
