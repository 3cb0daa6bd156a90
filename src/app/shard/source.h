// The image source of `valley shard build`: a folder or a font, with the options of each kind.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "data/builder.h"
#include "image/image_source.h"

namespace CLI {
class App;
}

namespace valley::app {

struct SourceArguments {
  std::string source;
  std::string alpha = "white";
  std::optional<std::string> codepoints;  // fonts only
  std::optional<std::string> labels;      // folders only, like exif to max_pixels
  bool require_labels = false;
  std::optional<std::string> exif;
  std::optional<std::uint64_t> min_size;  // pixels
  std::optional<std::uint64_t> max_pixels;
};

void add_source_options(CLI::App& command, SourceArguments& arguments);

// Opens a folder or a font file. Logs skipped files and the number of images without a label.
// Errors: kUsage for options of the other kind of source; kMissingInput; kData for a folder without
// images, and with --require-labels for an image without a label.
[[nodiscard]] std::unique_ptr<ImageSource> open_source(const SourceArguments& arguments,
                                                       const BuildOptions& options);

}  // namespace valley::app
