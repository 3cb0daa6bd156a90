// File to which whole pieces are appended: each in one write or, if there is no space, not at all.
#pragma once

#include <filesystem>
#include <string_view>

namespace valley {

class AppendFile {
 public:
  enum class Begin { kAtTheEnd, kEmpty };

  // Creates the file if it does not exist. Every failure is an Error naming the path
  // (ExitCode::kCannotWrite or kIo).
  explicit AppendFile(std::filesystem::path path, Begin begin = Begin::kAtTheEnd);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;
  ~AppendFile();

  void append(std::string_view piece);
  // Flushes to disk and renames the file within its folder, replacing an existing one.
  void rename(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace valley
