// Checks of option values, made on their text before it is converted: the option library itself
// takes -1 for an unsigned 2^64 - 1, 010 for 8, numbers that overflow for the largest one, and nan.
#pragma once

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

namespace valley::app {

// "an integer from 1 to 64", "a number from 0 to 3.4e38".
template <typename T>
std::string describe_number_range(T lowest, T highest) {
  if constexpr (std::is_integral_v<T>) {
    return fmt::format("an integer from {} to {}", lowest, highest);
  } else {
    if (highest < std::numeric_limits<T>::max())
      return fmt::format("a number from {} to {}", lowest, highest);
    // Models compute in single precision, where a larger number would be infinite.
    return lowest > std::numeric_limits<T>::lowest()
               ? fmt::format("a number from {} to 3.4e38", lowest)
               : "a number from -3.4e38 to 3.4e38";
  }
}

// Rejects what is not a decimal number of type T from `lowest` to `highest`. T is the type of the
// option's variable, so that nothing is lost when the text is converted.
template <typename T>
[[nodiscard]] CLI::Validator number_range(T lowest = std::numeric_limits<T>::lowest(),
                                          T highest = std::numeric_limits<T>::max()) {
  return CLI::Validator(
      [lowest, highest](std::string& text) {
        T value{};
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        bool is_good = error == std::errc() && stop == end && value >= lowest && value <= highest;
        if constexpr (std::is_floating_point_v<T>)
          is_good =
              is_good && std::abs(value) <= std::numeric_limits<float>::max();  // nor for a NaN
        if (!is_good)
          return fmt::format("{} is not {}", text.empty() ? "an empty value" : "\"" + text + "\"",
                             describe_number_range(lowest, highest));
        // The option library takes a leading zero for an octal number.
        if constexpr (std::is_integral_v<T>) text = fmt::to_string(value);
        return std::string();
      },
      "");
}

// Rejects a file name with another ending than .png: the file would not be what its name says.
[[nodiscard]] CLI::Validator png_name();

}  // namespace valley::app
