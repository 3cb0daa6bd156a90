// Names of groups of tensors: "discriminator", "discriminator.encoder.0-2" (levels 0 to 2) or
// "generator.linear.bias".
#pragma once

#include <string>
#include <string_view>

namespace valley {

// True if `pattern` names the tensor, or a group that holds it: its parts, between dots, equal the
// first parts of `name`, where "0-2" stands for the numbers 0 to 2. "levels" may be left out.
[[nodiscard]] bool matches_pattern(std::string_view name, std::string_view pattern);

}  // namespace valley
