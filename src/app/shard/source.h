// The image source of `valley shard build`, with the options of each kind.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/builder.h"
#include "image/image_source.h"

namespace CLI {
class App;
}

namespace valley::app {

struct SourceArguments {
  std::vector<std::string> sources;
  std::string alpha = "white";
  std::optional<std::string> codepoints;  // fonts only
  std::optional<std::string> labels;
  bool require_labels = false;
  std::optional<std::string> label_vectors;
  std::optional<std::string> label_names;
  std::optional<std::string> exif;        // encoded images only, like min_size and max_pixels
  std::optional<std::uint64_t> min_size;  // pixels
  std::optional<std::uint64_t> max_pixels;
  std::optional<std::string> dataset;  // HDF5 and npz only
  std::optional<std::string> part;     // CIFAR only
  bool transpose = false;              // idx and NumPy only
};

// --label-names
void add_label_names_option(CLI::App& command, std::optional<std::string>& names);

void add_source_options(CLI::App& command, SourceArguments& arguments);

// Opens one or several sources of any kind. Logs skipped files and the number of images without a
// label. Errors: kUsage for options of another kind of source; kMissingInput; kData for a source
// without images, and with --require-labels for an image without a label.
[[nodiscard]] std::unique_ptr<ImageSource> open_source(const SourceArguments& arguments,
                                                       const BuildOptions& options);

}  // namespace valley::app
