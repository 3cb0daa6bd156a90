// Builds a data set on the ranks of a job whose hosts share the destination's file system. The
// result has the bytes of a build in one process.
//
// Ranks decode chunks of candidates; rank 0 assigns them and puts the shards together in order
// (chunk_queue.h). A killed job can be resumed by any number of ranks, also by one process: the
// shards in the manifest and, on several ranks, complete chunks are not decoded again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/builder.h"

namespace valley {

// The ranks of a job.
class BuildRanks {
 public:
  virtual ~BuildRanks() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  // Collective: the strings of all ranks, in rank order.
  [[nodiscard]] virtual std::vector<std::string> gather(const std::string& text) = 0;
  // Collective: rank 0's string.
  [[nodiscard]] virtual std::string broadcast(const std::string& text) = 0;
};

// Collective, with equal sources and options on all ranks. `writer` is a name that no other process
// of the job has, such as host and process number. Returns the report on rank 0 and nothing on the
// others. Errors: those of build_dataset on rank 0, and on each rank those of reading the source
// and writing chunks; the caller ends the job then.
std::optional<BuildReport> build_dataset_on_ranks(const ImageSource& source,
                                                  const BuildOptions& options, BuildRanks& ranks,
                                                  const std::string& writer);

}  // namespace valley
