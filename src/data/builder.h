// Builds a data-set directory from a source of images: decoded on several threads, stored in one
// order, committed shard by shard.
//
// The bytes of every file depend on the source and the parameters alone: not on the number of
// threads, nor on whether the build was interrupted and resumed. The manifest is the journal: it is
// rewritten after each shard, and a resume starts behind the last shard that it lists.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/destination.h"
#include "image/fit.h"
#include "image/image_source.h"

namespace valley {

struct BuildProgress {
  std::uint64_t candidates_done = 0;
  std::uint64_t candidates = 0;
  std::uint64_t images = 0;
  std::uint64_t shards = 0;
  std::uint64_t rejects = 0;
  double seconds = 0;
};

struct BuildOptions {
  std::filesystem::path destination;
  Target target;  // shape, transform and filter
  std::uint64_t shard_images = 4096;
  std::optional<std::uint64_t> shuffle_seed = 0;  // none: the order of the source
  std::optional<std::uint64_t> max_images;        // the first so many in build order
  unsigned jobs = 1;
  double max_error_rate = 0.01;
  bool fail_on_reject = false;  // whatever the rate
  Existing existing = Existing::kRefuse;
  std::function<void(const BuildProgress&)>
      progress;  // on the calling thread, a few times a second
};

struct BuildReport {
  std::uint64_t images = 0;
  std::uint64_t resumed_images = 0;  // of these, already there
  std::uint64_t shards = 0;
  std::uint64_t bytes = 0;  // of the shards
  std::uint64_t candidates_seen = 0;
  std::map<std::string, std::uint64_t> rejects;  // reason -> images
  // Number and name of each class whose images were all rejected. Classes keep their numbers.
  std::vector<std::pair<std::int64_t, std::string>> empty_classes;
  std::string fingerprint;
  double seconds = 0;
};

// Errors: kUsage for options that cannot be, or that differ from those of the build to resume;
// kCannotWrite for a destination that is refused, a full disk; kData when more than max_error_rate
// of the candidates are rejected, or with fail_on_reject the first one (the build then stays
// unfinished and can be resumed with a higher rate).
BuildReport build_dataset(const ImageSource& source, const BuildOptions& options);

// What would be built, with all checks of options and destination and nothing written.
struct BuildPlan {
  std::uint64_t candidates = 0;
  std::uint64_t images = 0;  // at most
  std::uint64_t shards = 0;  // at most
  std::uint64_t bytes = 0;   // of pixels, at most
  std::string parameters_json;
};
[[nodiscard]] BuildPlan plan_build(const ImageSource& source, const BuildOptions& options);

}  // namespace valley
