#include "data/build_parts.h"

#include <algorithm>

#include "core/hash.h"
#include "data/build_parameters.h"
#include "data/order.h"

namespace valley {

std::string writer_version() { return "valley " VALLEY_VERSION; }

std::function<std::uint64_t(std::uint64_t)> build_order(const ImageSource& source,
                                                        const BuildOptions& options) {
  if (!options.shuffle_seed) return [](std::uint64_t position) { return position; };
  return FeistelPermutation(
      source.size(), hash64(*options.shuffle_seed, hash64("valley shard build"), source.size()));
}

Manifest new_manifest(const ImageSource& source, const BuildOptions& options) {
  Manifest manifest;
  manifest.parameters_json = build_parameters(source, options);
  manifest.dataset_uuid = uuid_of_parameters(manifest.parameters_json);
  manifest.writer_version = writer_version();
  manifest.height = options.target.height;
  manifest.width = options.target.width;
  manifest.channels = options.target.channels;
  manifest.form.storage = options.storage;
  manifest.shard_images = options.shard_images;
  manifest.class_names = source.class_names();
  manifest.label_vector_names = source.label_vector_names();
  manifest.candidates = source.size();
  return manifest;
}

ShardHeader make_header(const Manifest& manifest, const BuildOptions& options, std::uint64_t index,
                        std::uint64_t global_offset) {
  ShardHeader header;
  header.dataset_uuid = manifest.dataset_uuid;
  header.shard_index = index;
  header.global_offset = global_offset;
  header.height = manifest.height;
  header.width = manifest.width;
  header.channels = manifest.channels;
  header.storage = manifest.form.storage;
  header.transform = transform_name(options.target.transform);
  header.filter = filter_name(options.target.filter);
  header.class_names = manifest.class_names;
  header.label_vector_names = manifest.label_vector_names;
  header.shuffle_seed =
      options.shuffle_seed ? static_cast<std::int64_t>(*options.shuffle_seed) : -1;
  header.writer_version = manifest.writer_version;
  header.params_json = manifest.parameters_json;
  return header;
}

ImageForm make_form(const BuildOptions& options) {
  return {options.target, options.storage,
          options.copies_records || options.storage.kind == StorageKind::kKeep};
}

std::size_t longest_name(const ImageSource& source) {
  std::size_t longest = 1;
  for (std::uint64_t i = 0; i < source.size(); ++i)
    longest = std::max(longest, source.name(i).size());
  return longest;
}

}  // namespace valley
