// All that Valley does with a file of a run or a data set, as functions whose results can be
// compared: a damaged file must not give another result in silence.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace valley::chaos {

// The result of a reader.
struct Found {
  std::string content;               // all values that it returns, or their SHA-256
  std::vector<std::string> notices;  // reports of damage, besides logged warnings
};

struct Reader {
  std::string name;  // "resume", "report", ...
  std::function<Found()> read;
  bool shows_text = false;  // prints values of the damaged file, which may have changed
};

// A file that is damaged, and those who read it.
struct Victim {
  std::filesystem::path file;
  std::string kind;  // "checkpoint", "shard", ...
  // A file of text without a checksum: all readers show its values as they are.
  bool is_plain_text = false;
  std::vector<Reader> readers;
};

// All files of the runs in `folder`/runs and the data sets in `folder`/data. `scratch`: an empty
// folder on the same file system for readers that write.
[[nodiscard]] std::vector<Victim> find_victims(const std::filesystem::path& folder,
                                               const std::filesystem::path& scratch);

}  // namespace valley::chaos
