// One shard's entry of a manifest as JSON. Manifests have data_bytes for encoded storage only.
#pragma once

#include <nlohmann/json.hpp>

#include "data/json_fields.h"
#include "data/manifest.h"

namespace valley {

[[nodiscard]] nlohmann::ordered_json entry_to_json(const ShardEntry& entry, bool has_data_bytes);
// Error kData naming a field that is missing or of another type.
[[nodiscard]] ShardEntry entry_from_json(const JsonFields& fields, bool has_data_bytes);

}  // namespace valley
