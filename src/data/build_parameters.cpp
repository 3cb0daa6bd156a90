#include "data/build_parameters.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "data/shard_file.h"
#include "image/jpeg_decoder.h"

namespace valley {

using nlohmann::json;

std::string build_parameters(const ImageSource& source, const BuildOptions& options) {
  const Target& target = options.target;
  json parameters = {{"source", parse_json(source.identity_json(), "the source's identity")},
                     {"height", target.height},
                     {"width", target.width},
                     {"channels", target.channels},
                     {"transform", transform_name(target.transform)},
                     {"filter", filter_name(target.filter)},
                     {"alpha", target.background == 255 ? "white" : "black"},
                     {"shard_images", options.shard_images},
                     {"shuffle_seed", nullptr},
                     {"max_images", nullptr}};
  if (target.transform == Transform::kCenterCropWide)
    parameters["content_height"] = target.content_height;
  if (options.storage.is_encoded()) parameters["storage"] = storage_name(options.storage);
  if (options.storage.kind == StorageKind::kJpeg && !options.copies_records)
    parameters["encoder"] = jpeg_library();
  if (options.storage.kind == StorageKind::kKeep) {
    const FileDecoding files = source.decoding().value();
    parameters["exif"] = files.options.apply_exif ? "apply" : "ignore";
    parameters["max_pixels"] = files.max_pixels;
  }
  if (options.shuffle_seed) parameters["shuffle_seed"] = *options.shuffle_seed;
  if (options.max_images) parameters["max_images"] = *options.max_images;
  return write_json(parameters);
}

std::string uuid_of_parameters(const std::string& parameters_json) {
  std::string hex = sha256_hex(as_bytes(fmt::format("{} {} {}", kShardFormat, kShardFormatVersion,
                                                    parameters_json)))
                        .substr(0, 32);
  hex[12] = '8';                                                    // version
  hex[16] = "89ab"[std::stoi(hex.substr(16, 1), nullptr, 16) % 4];  // variant
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

void require_same_parameters(const std::string& earlier, const std::string& now,
                             const std::string& where) {
  const json before = parse_json(earlier, where);
  const json after = parse_json(now, "parameters");
  json all = before;
  all.update(after);
  std::string differences;
  for (const auto& [key, either] : all.items()) {
    const json old = before.value(key, json());
    const json value = after.value(key, json());
    if (old != value)
      differences += fmt::format("\n  {}: {} there, {} now", key, write_json(old).substr(0, 200),
                                 write_json(value).substr(0, 200));
  }
  if (!differences.empty())
    throw Error(
        ExitCode::kUsage,
        "{} was started with other parameters, so it cannot be resumed:{}\nUse the same ones, "
        "--overwrite, or another --dest",
        where, differences);
}

}  // namespace valley
