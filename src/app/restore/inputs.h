// Input images of `valley restore`. They must have the model's size: resizing would spread damage
// over intact pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "nn/model.h"

namespace valley::app {

struct NamedImages {
  at::Tensor pixels;               // uint8 [n, H, W, C]
  std::vector<std::string> names;  // file names, or "DIR[index]" for a data set
  // Selects the random numbers of each image: its position, or its index in the data set.
  std::vector<std::uint64_t> positions;
};

// PNG, JPEG or WebP files, converted to luma for a gray model and from gray to RGB for a color
// model. Error kMissingInput or kData naming the file, kUsage for another size than the model's.
[[nodiscard]] NamedImages read_image_files(const std::vector<std::string>& files,
                                           const ModelOptions& options);

// Images of a folder of shards. `indices`: such as "0-7,12".
[[nodiscard]] NamedImages read_shard_images(const std::string& directory,
                                            const std::string& indices,
                                            const ModelOptions& options);

// bool [side, side], true where the image is nearer to white than to black. Transparent pixels
// count as black. If all other pixels have one color, they count as white.
[[nodiscard]] at::Tensor read_mask(const std::string& file, std::int64_t side);

}  // namespace valley::app
