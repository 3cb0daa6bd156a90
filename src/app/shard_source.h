// Where `valley shard build` takes its images from: the options of every kind of source, and the
// choice between them.
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
  std::optional<std::string> codepoints;  // of a font
  std::optional<std::string> labels;      // of a folder, as the rest
  bool require_labels = false;            // of any
  std::optional<std::string> exif;
  std::optional<std::uint64_t> min_size;  // pixels
  std::optional<std::uint64_t> max_pixels;
};

void add_source_options(CLI::App& command, SourceArguments& arguments);

// A folder, or a font file. Says once what it passes over and how many images have no label.
// Errors: kUsage for options that the kind of source does not have; kMissingInput; kData, with
// --require-labels also when an image has none.
[[nodiscard]] std::unique_ptr<ImageSource> open_source(const SourceArguments& arguments,
                                                       const BuildOptions& options);

}  // namespace valley::app
