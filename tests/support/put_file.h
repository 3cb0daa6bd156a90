// Writes small files for tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace valley {

// Writes `text` to the file at `path`; creates its parent folders.
inline void put_file(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace valley
