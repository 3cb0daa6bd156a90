// TFRecord, the framing of TensorBoard's event files: length (8 bytes, least significant first),
// its masked CRC32C (4), the bytes, their masked CRC32C (4).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace valley {

[[nodiscard]] std::string frame_record(std::string_view bytes);

// Reads the records of a file up to the first incomplete or damaged one, such as the end of a file
// whose writer was killed.
class RecordReader {
 public:
  explicit RecordReader(std::filesystem::path path);  // throws Error if it cannot be read

  [[nodiscard]] std::optional<std::string> next();
  // Bytes of the complete records read so far.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t file_size() const { return size_; }

 private:
  [[nodiscard]] std::optional<std::string> read(std::uint64_t n);

  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  std::ifstream file_;
  std::uint64_t position_ = 0;
};

}  // namespace valley
