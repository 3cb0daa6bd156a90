// All parameters that determine the bytes of a data set, as JSON, and the identifier derived from
// them.
#pragma once

#include <string>

#include "data/builder.h"

namespace valley {

// An object with sorted keys: source, shape, transform, filter, sharding, order. No paths, no
// thread counts.
[[nodiscard]] std::string build_parameters(const ImageSource& source, const BuildOptions& options);

// A UUID (RFC 9562, version 8) from the SHA-256 of the parameters: the same build, the same UUID.
[[nodiscard]] std::string uuid_of_parameters(const std::string& parameters_json);

// Error kUsage naming the parameters that differ, if any.
void require_same_parameters(const std::string& earlier, const std::string& now,
                             const std::string& where);

}  // namespace valley
