// rejects.jsonl: a line per candidate that could not be stored, with the reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace valley {

struct RejectedImage {
  std::uint64_t position = 0;  // in build order
  std::string name;
  std::string reason;  // one of a fixed set
  std::string detail;
};

void write_rejects(const std::filesystem::path& directory,
                   const std::vector<RejectedImage>& rejects);  // atomic

// Rejects with a position below `end`; later lines are from a builder that was killed before it
// committed their shard. Error kData naming file and line.
[[nodiscard]] std::vector<RejectedImage> read_rejects(const std::filesystem::path& directory,
                                                      std::uint64_t end);

[[nodiscard]] std::map<std::string, std::uint64_t> count_by_reason(
    const std::vector<RejectedImage>& rejects);

}  // namespace valley
