// COMMIT: the sizes and SHA-256 of a checkpoint's files. Used by checkpoint.cpp only.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace valley {

struct FileRecord {
  std::uint64_t bytes = 0;
  std::string sha256;  // 64 lower-case digits
};
struct CommitRecord {
  std::int64_t step = 0;
  std::map<std::string, FileRecord> files;  // by name
};

// {"files": {name: {"bytes": n, "sha256": hex}}, "format": "valley-checkpoint",
//  "sha256": hash of this object in compact form without this key, "step": n, "version": 1}
[[nodiscard]] std::string format_commit(const CommitRecord& record);

// Accepts exactly the output of format_commit; otherwise Error (kData) naming `file`.
[[nodiscard]] CommitRecord parse_commit(const std::string& text, const std::string& file);

}  // namespace valley
