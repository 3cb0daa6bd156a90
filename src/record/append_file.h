// A file that grows by whole pieces: each reaches it in one write or, when there is no room, not at
// all.
#pragma once

#include <filesystem>
#include <string_view>

namespace valley {

class AppendFile {
 public:
  enum class Begin { kAtTheEnd, kEmpty };

  // Creates the file where there is none. Every failure is an Error naming the path
  // (ExitCode::kCannotWrite or kIo).
  explicit AppendFile(std::filesystem::path path, Begin begin = Begin::kAtTheEnd);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;
  ~AppendFile();

  void append(std::string_view piece);
  // Flushes to the disk and gives the file another name in its folder, replacing what had it.
  void rename(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace valley
