#include "nn/model_options.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/numbers.h"

namespace valley {
namespace {

const std::string& find(const std::map<std::string, std::string>& metadata, const std::string& key,
                        const std::string& where) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    throw Error(ExitCode::kData, "{}: the metadata has no \"{}\"; is it a model that Valley wrote?",
                where, key);
  }
  return found->second;
}

std::int64_t parse_integer(std::string_view text, const std::string& key,
                           const std::string& where) {
  const auto value = parse_number<std::int64_t>(text);
  if (!value) {
    throw Error(ExitCode::kData, "{}: \"{}\" is \"{}\", not an integer", where, key, text);
  }
  return *value;
}

std::int64_t integer(const std::map<std::string, std::string>& metadata, const std::string& key,
                     const std::string& where) {
  return parse_integer(find(metadata, key, where), key, where);
}

// "[500, 500]"
std::vector<std::int64_t> integers(const std::map<std::string, std::string>& metadata,
                                   const std::string& key, const std::string& where) {
  std::string_view rest = find(metadata, key, where);
  if (rest.size() < 2 || rest.front() != '[' || rest.back() != ']')
    throw Error(ExitCode::kData, "{}: \"{}\" is \"{}\", not a list", where, key, rest);
  rest = rest.substr(1, rest.size() - 2);
  std::vector<std::int64_t> values;
  while (!rest.empty()) {
    if (rest.front() == ' ') {
      rest.remove_prefix(1);
      continue;
    }
    const std::string_view part = rest.substr(0, rest.find(','));
    values.push_back(parse_integer(part, key, where));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  return values;
}

bool flag(const std::map<std::string, std::string>& metadata, const std::string& key,
          const std::string& where) {
  const std::string& text = find(metadata, key, where);
  if (text != "true" && text != "false")
    throw Error(ExitCode::kData, "{}: \"{}\" is \"{}\", neither true nor false", where, key, text);
  return text == "true";
}

}  // namespace

std::map<std::string, std::string> ModelOptions::to_metadata() const {
  return {{"model.name", name},
          {"model.resolution", std::to_string(resolution)},
          {"model.channels", std::to_string(channels)},
          {"model.width", std::to_string(width)},
          {"model.latent", std::to_string(latent)},
          {"model.hidden", std::to_string(hidden)},
          {"model.skip_connections", skip_connections ? "true" : "false"},
          {"model.downsample", downsample},
          {"model.latent_distribution", latent_distribution},
          {"model.output", output},
          {"model.batch_norm", batch_norm ? "true" : "false"},
          {"model.spectral_norm", spectral_norm ? "true" : "false"},
          {"model.vanishing_residuals", std::to_string(vanishing_residuals)},
          {"model.layers", fmt::format("[{}]", fmt::join(layers, ", "))},
          {"model.visible_units", visible_units},
          {"model.labels", std::to_string(labels)},
          {"model.label_units", label_units ? "true" : "false"},
          {"model.initial_weights", initial_weights}};
}

ModelOptions ModelOptions::from_metadata(const std::map<std::string, std::string>& metadata,
                                         const std::string& where) {
  ModelOptions options;
  options.name = find(metadata, "model.name", where);
  options.resolution = integer(metadata, "model.resolution", where);
  options.channels = integer(metadata, "model.channels", where);
  options.width = integer(metadata, "model.width", where);
  options.latent = integer(metadata, "model.latent", where);
  options.hidden = integer(metadata, "model.hidden", where);
  options.skip_connections = flag(metadata, "model.skip_connections", where);
  options.downsample = find(metadata, "model.downsample", where);
  // Keys added in later versions; files without them have the defaults.
  const auto has = [&](const char* key) { return metadata.find(key) != metadata.end(); };
  if (has("model.latent_distribution"))
    options.latent_distribution = find(metadata, "model.latent_distribution", where);
  if (has("model.output")) options.output = find(metadata, "model.output", where);
  if (has("model.batch_norm")) options.batch_norm = flag(metadata, "model.batch_norm", where);
  if (has("model.spectral_norm"))
    options.spectral_norm = flag(metadata, "model.spectral_norm", where);
  if (has("model.vanishing_residuals"))
    options.vanishing_residuals = integer(metadata, "model.vanishing_residuals", where);
  if (has("model.layers")) options.layers = integers(metadata, "model.layers", where);
  if (has("model.visible_units"))
    options.visible_units = find(metadata, "model.visible_units", where);
  if (has("model.labels")) options.labels = integer(metadata, "model.labels", where);
  if (has("model.label_units")) options.label_units = flag(metadata, "model.label_units", where);
  if (has("model.initial_weights"))
    options.initial_weights = find(metadata, "model.initial_weights", where);
  return options;
}

}  // namespace valley
