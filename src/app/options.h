// Options that several commands share, and checks of option values.
//
// Checks read the text of a value before CLI11 converts it: CLI11 takes -1 for an unsigned
// 2^64 - 1, 010 for 8, numbers that overflow for the largest one, and nan.
#pragma once

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "comm/world.h"
#include "inference/energy_chains.h"
#include "inference/saved_model.h"

namespace valley::app {

// "an integer from 1 to 64", "a number from 0 to 3.4e38".
template <typename T>
std::string describe_number_range(T min, T max) {
  if constexpr (std::is_integral_v<T>) {
    return fmt::format("an integer from {} to {}", min, max);
  } else {
    if (max < std::numeric_limits<T>::max()) return fmt::format("a number from {} to {}", min, max);
    // Models compute in single precision, where a larger number would be infinite.
    return min > std::numeric_limits<T>::lowest() ? fmt::format("a number from {} to 3.4e38", min)
                                                  : "a number from -3.4e38 to 3.4e38";
  }
}

// Rejects text that is not a decimal number of type T from `min` to `max`. T must be the type of
// the option's variable, so that the conversion loses nothing.
template <typename T>
[[nodiscard]] CLI::Validator number_range(T min = std::numeric_limits<T>::lowest(),
                                          T max = std::numeric_limits<T>::max()) {
  return CLI::Validator(
      [min, max](std::string& text) {
        T value{};
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        bool is_valid = error == std::errc() && stop == end && value >= min && value <= max;
        // Also rejects NaN, for which the comparison is false.
        if constexpr (std::is_floating_point_v<T>)
          is_valid = is_valid && std::abs(value) <= std::numeric_limits<float>::max();
        if (!is_valid)
          return fmt::format("{} is not {}", text.empty() ? "an empty value" : "\"" + text + "\"",
                             describe_number_range(min, max));
        // CLI11 takes a leading zero for an octal number.
        if constexpr (std::is_integral_v<T>) text = fmt::to_string(value);
        return std::string();
      },
      "");
}

// Rejects a file name with an extension other than .png, because the command writes a PNG.
[[nodiscard]] CLI::Validator png_name();

// The run, checkpoint or model file to load, as a required argument.
void add_model_argument(CLI::App& command, std::string& run);

// --data: images as shards, folders or files, required. `use` adds what the command does with them.
void add_images_option(CLI::App& command, std::vector<std::string>& inputs,
                       const std::string& use = "");

// --count N, the number of images to use of each set.
void add_count_option(CLI::App& command, std::optional<std::uint64_t>& count);

// --device auto|cpu|cuda
void add_device_option(CLI::App& command, std::string& device);
// `name` is "auto", "cpu" or "cuda", which the option or the config schema has checked.
[[nodiscard]] DeviceChoice device_choice(std::string_view name);

// --raw, and the weights that it selects.
void add_raw_option(CLI::App& command, bool& raw);
[[nodiscard]] Weights weights_to_load(bool raw);

// --json
void add_json_option(CLI::App& command, bool& json);

// --step-size, --chain-noise and --clamp of Langevin chains.
void add_chain_options(CLI::App& command, ChainRequest& chain);

}  // namespace valley::app
