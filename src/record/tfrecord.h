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

// Reads the records of a file from its beginning, up to the first that is not whole: the torn end
// that a killed writer may leave, or damage.
class RecordReader {
 public:
  explicit RecordReader(std::filesystem::path path);  // throws Error when it cannot be read

  [[nodiscard]] std::optional<std::string> next();
  // Bytes of the whole records read so far.
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
