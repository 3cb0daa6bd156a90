// Where `valley restore` reads from: images that are as large as the model's already, since
// resizing would smear what is damaged over what is not.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "nn/model.h"

namespace valley::app {

struct NamedImages {
  at::Tensor pixels;               // uint8 [n, H, W, C]
  std::vector<std::string> names;  // of a data set: "DIR[index]"
  std::vector<std::uint64_t>
      positions;  // what is drawn for each: its place, or index in the data set
};

// PNG, JPEG or WebP files. Colours become luma for a gray model, gray is repeated for one in
// colour. Error kMissingInput or kData naming the file, kUsage for another size than the model's.
[[nodiscard]] NamedImages read_image_files(const std::vector<std::string>& files,
                                           const ModelOptions& options);

// Images of a folder of shards; `indices`: "0-7,12".
[[nodiscard]] NamedImages read_shard_images(const std::string& directory,
                                            const std::string& indices,
                                            const ModelOptions& options);

// bool [side, side], true where the image is nearer to white than to black. Transparent pixels are
// black; where all others have one color, they are white.
[[nodiscard]] at::Tensor read_mask(const std::string& file, std::int64_t side);

}  // namespace valley::app
