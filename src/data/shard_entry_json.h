// One shard's entry of a manifest as JSON. With `is_encoded` it has data_bytes, which follow from
// the number of images otherwise.
#pragma once

#include <nlohmann/json.hpp>

#include "data/json_fields.h"
#include "data/manifest.h"

namespace valley {

[[nodiscard]] nlohmann::ordered_json entry_to_json(const ShardEntry& entry, bool is_encoded);
// Error kData naming a field that is missing or of another type.
[[nodiscard]] ShardEntry entry_from_json(const JsonFields& fields, bool is_encoded);

}  // namespace valley
