// Builds a data-set directory from a source of images: decodes on several threads, stores in a
// fixed order and commits shard by shard.
//
// The bytes of every file depend only on the source and the parameters: not on the number of
// threads, nor on interruptions. The manifest is the journal: it is rewritten after each shard, and
// a resume continues after the last shard that it lists.
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
#include "data/storage.h"
#include "image/fit.h"
#include "image/image_source.h"

namespace valley {

class ChunkQueue;

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
  Storage storage{};
  bool copies_records = false;  // see ImageForm
  std::uint64_t shard_images = 4096;
  std::optional<std::uint64_t> shuffle_seed = 0;  // nullopt: the order of the source
  std::optional<std::uint64_t> max_images;        // limit, in build order
  unsigned jobs = 1;
  double max_error_rate = 0.01;
  bool fail_on_reject = false;  // at the first reject, for any rate
  Existing existing = Existing::kRefuse;
  std::function<void(const BuildProgress&)>
      progress;                  // called on the calling thread, a few times per second
  ChunkQueue* chunks = nullptr;  // set by build_dataset_on_ranks: candidates decoded by all ranks
};

struct BuildReport {
  std::uint64_t images = 0;
  std::uint64_t resumed_images = 0;  // images of earlier builds among them
  std::uint64_t shards = 0;
  std::uint64_t bytes = 0;  // size of the shards
  std::uint64_t candidates_seen = 0;
  std::map<std::string, std::uint64_t> rejects;  // reason -> images
  // Number and name of each class without accepted images. Other classes keep their numbers.
  std::vector<std::pair<std::int64_t, std::string>> empty_classes;
  std::string fingerprint;
  double seconds = 0;
};

// Errors: kUsage for invalid options, or options that differ from those of the build to resume;
// kCannotWrite for an unsuitable destination or a full disk; kData if more than max_error_rate of
// the candidates are rejected, or with fail_on_reject at the first one (the build stays unfinished
// and can be resumed with a higher rate).
BuildReport build_dataset(const ImageSource& source, const BuildOptions& options);

// Size of the build; checks options and destination and writes nothing.
struct BuildPlan {
  std::uint64_t candidates = 0;
  std::uint64_t images = 0;  // maximum
  std::uint64_t shards = 0;  // maximum
  std::uint64_t bytes = 0;   // maximum size of the pixels, decoded
  std::string parameters_json;
};
[[nodiscard]] BuildPlan plan_build(const ImageSource& source, const BuildOptions& options);

}  // namespace valley
