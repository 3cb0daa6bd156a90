// Shared by fuzz targets. A target defines `valley::fuzz::run`, which gets the bytes of one input;
// an Error is the expected answer to invalid bytes, every other exception and every fault of a
// sanitizer is a finding.
#pragma once

#include <filesystem>
#include <string_view>

namespace valley::fuzz {

void run(std::string_view input);

// The input as a file in memory, for readers that take a path.
class InputFile {
 public:
  explicit InputFile(std::string_view input);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  int descriptor_;
  std::filesystem::path path_;
};

}  // namespace valley::fuzz
