// Options of the commands that copy data sets, and the copying itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/builder.h"
#include "data/dataset.h"
#include "image/image_source.h"

namespace CLI {
class App;
}

namespace valley::app {

struct CopyArguments {
  std::string destination;
  std::optional<std::uint64_t> shard_images;
  std::optional<std::string> label_names;
  unsigned jobs = 0;
  bool resume = false;
  bool overwrite = false;
  bool json = false;
};

// Adds all but --dest.
void add_copy_options(CLI::App& command, CopyArguments& a);

// A copy with the shape of `like`, in the order of its source, with unchanged pixels.
[[nodiscard]] BuildOptions copy_options(const CopyArguments& a,
                                        const std::filesystem::path& destination,
                                        const Dataset& like);

// Builds with progress on stderr. Errors of with_label_names and build_dataset.
BuildReport copy_images(std::unique_ptr<ImageSource> images, BuildOptions options,
                        const CopyArguments& a);

}  // namespace valley::app
