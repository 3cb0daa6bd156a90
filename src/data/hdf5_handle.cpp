#include "data/hdf5_handle.h"

#include <hdf5.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace valley {
namespace {

static_assert(std::is_same_v<::hid_t, std::int64_t> && std::is_same_v<::herr_t, int>);

constexpr ::hsize_t kAlignAbove = 1U << 20U;
constexpr ::hsize_t kAlignment = 2U << 20U;

::herr_t keep_innermost(unsigned, const ::H5E_error2_t* entry, void* text) {
  if (entry->desc != nullptr) *static_cast<std::string*>(text) = entry->desc;
  return 0;
}

std::string innermost_message() {
  std::string text;
  ::H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &text);
  return text.empty() ? "HDF5 reports no reason" : text;
}

// errno of a failed system call, which HDF5 puts into its message; nullopt if there is none.
std::optional<int> errno_in(std::string_view message) {
  constexpr std::string_view kMark = "errno = ";
  const auto mark = message.find(kMark);
  if (mark == std::string_view::npos) return std::nullopt;
  message.remove_prefix(mark + kMark.size());
  int number = 0;
  const auto [end, status] =
      std::from_chars(message.data(), message.data() + message.size(), number);
  return status == std::errc() ? std::optional(number) : std::nullopt;
}

std::recursive_mutex& lock_of_process() {
  static std::recursive_mutex mutex;
  return mutex;
}

}  // namespace

Hdf5File::Hdf5File(std::filesystem::path path, bool writing)
    : path_(std::move(path)),
      code_(writing ? ExitCode::kCannotWrite : ExitCode::kData),
      lock_(lock_of_process()) {
  ::H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Handle Hdf5File::own(std::int64_t id, Hdf5Handle::Close closer,
                         const std::string& doing) const {
  check(id, doing);
  return {id, closer};
}

void Hdf5File::check(std::int64_t status, const std::string& doing) const {
  if (status >= 0) return;
  std::string message = innermost_message();
  if (message.ends_with('\n')) message.pop_back();
  const std::optional<int> number = errno_in(message);
  // A failed lock is not damage, for any errno.
  if (number && message.find("lock file") != std::string::npos)
    throw Error(ExitCode::kIo,
                "{}: {}: it could not be opened, since its file system gives no lock: {}; Valley "
                "needs none: unset HDF5_USE_FILE_LOCKING or set it to FALSE",
                path_.string(), doing, std::strerror(*number));
  throw Error(number && fault_of(*number) == FileFault::kStorage ? ExitCode::kIo : code_,
              "{}: {}: {}{}", path_.string(), doing, message, number ? way_out(*number) : "");
}

void Hdf5File::fail(const std::string& what) const {
  throw Error(code_, "{}: {}", path_.string(), what);
}

Hdf5Handle file_access_properties(const Hdf5File& file) {
  Hdf5Handle properties =
      file.own(::H5Pcreate(H5P_FILE_ACCESS), ::H5Pclose, "making access properties");
  file.check(::H5Pset_libver_bounds(properties.id(), H5F_LIBVER_V18, H5F_LIBVER_V110),
             "setting the format version");
  file.check(::H5Pset_alignment(properties.id(), kAlignAbove, kAlignment), "setting the alignment");
  file.check(::H5Pset_file_locking(properties.id(), false, true), "switching off file locking");
  return properties;
}

Hdf5Handle file_creation_properties(const Hdf5File& file) {
  Hdf5Handle properties =
      file.own(::H5Pcreate(H5P_FILE_CREATE), ::H5Pclose, "making creation properties");
  file.check(::H5Pset_obj_track_times(properties.id(), false), "switching off times");
  return properties;
}

Hdf5Handle string_type(const Hdf5File& file, std::size_t bytes) {
  Hdf5Handle type = file.own(::H5Tcopy(H5T_C_S1), ::H5Tclose, "making a string type");
  file.check(::H5Tset_size(type.id(), std::max<std::size_t>(bytes, 1)), "sizing a string type");
  file.check(::H5Tset_cset(type.id(), H5T_CSET_UTF8), "setting UTF-8");
  file.check(::H5Tset_strpad(type.id(), H5T_STR_NULLPAD), "setting the padding");
  return type;
}

}  // namespace valley
