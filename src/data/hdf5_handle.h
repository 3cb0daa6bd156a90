// RAII for HDF5 identifiers, and errors that name the file and the operation.
//
// HDF5's printing of errors is disabled; its innermost message is part of ours. Debian's library is
// not thread-safe: an Hdf5File holds a lock of the whole process while it exists, so a thread makes
// one around its calls, the closing of handles included.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>

#include "core/error.h"

namespace valley {

// hid_t is std::int64_t and herr_t int (checked in the .cpp), which keeps hdf5.h out of headers.
class Hdf5Handle {
 public:
  using Close = int (*)(std::int64_t);
  Hdf5Handle(std::int64_t id, Close closer) : id_(id), close_(closer) {}
  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;

  [[nodiscard]] std::int64_t id() const { return id_; }
  // Closing may write and therefore fail: call this for files instead of relying on the destructor.
  [[nodiscard]] int close() { return close_(std::exchange(id_, -1)); }

 private:
  std::int64_t id_;
  Close close_;
};

// Checks the results of calls on one file. A thread may have several at a time.
class Hdf5File {
 public:
  // Errors: kIo for failures of storage or locks, else kCannotWrite if `writing`, else kData.
  Hdf5File(std::filesystem::path path, bool writing);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] Hdf5Handle own(std::int64_t id, Hdf5Handle::Close close,
                               const std::string& doing) const;
  void check(std::int64_t status, const std::string& doing) const;  // negative: Error
  [[noreturn]] void fail(const std::string& what) const;            // with this text

 private:
  std::filesystem::path path_;
  ExitCode code_;
  std::unique_lock<std::recursive_mutex> lock_;
};

// Access properties of all files: no locking (network file systems), format of HDF5 1.8 with
// checksummed metadata, raw data above 1 MiB aligned to 2 MiB.
[[nodiscard]] Hdf5Handle file_access_properties(const Hdf5File& file);
// Creation properties without times, so that the bytes depend only on the contents.
[[nodiscard]] Hdf5Handle file_creation_properties(const Hdf5File& file);
[[nodiscard]] Hdf5Handle string_type(const Hdf5File& file, std::size_t bytes);  // UTF-8, NUL-padded

}  // namespace valley
