#include "app/sample/many/folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/little_endian.h"
#include "core/read_file.h"
#include "core/text.h"
#include "record/image_grid.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "valley-samples";
constexpr std::size_t kCrcBytes = 4;

// Writes `content` beside `path` and renames it, without flushing.
void write_unflushed(const fs::path& path, std::string_view content) {
  const fs::path temporary = path.parent_path() / fmt::format(".{}.tmp", path.filename().string());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw file_error("creating", temporary.string(), errno, true);
  int failure = write_and_close(descriptor, content);
  if (failure == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) failure = errno;
  if (failure == 0) return;
  ::unlink(temporary.c_str());
  throw file_error("writing", path.string(), failure, true);
}

std::uint32_t big_endian_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

// The first name that is not hidden; "" if there is none.
std::string first_visible_name(const fs::path& folder) {
  std::error_code status;
  for (fs::directory_iterator entry(folder, status); !status && entry != fs::directory_iterator();
       entry.increment(status))
    if (std::string name = entry->path().filename().string(); !name.starts_with('.')) return name;
  if (status) throw file_error("listing", folder.string(), status.value(), true);
  return {};
}

// samples.json of an earlier command; null in an empty folder.
nlohmann::json read_samples_file(const fs::path& folder) {
  const fs::path file = folder / kSamplesFile;
  nlohmann::json root;
  if (is_there(file, true)) root = try_parse_json(read_file(file));
  if (root.is_object() && root.value("format", nlohmann::json()) == kFormat &&
      root.contains("samples") && root.contains("count") && root["count"].is_number_unsigned())
    return root;
  if (const std::string name = first_visible_name(folder); !name.empty())
    throw Error(ExitCode::kCannotWrite,
                "{} holds files of something else, such as \"{}\": choose a new or an empty folder",
                folder.string(), escaped_name(name));
  return {};
}

}  // namespace

std::string describe_differences(const nlohmann::json& before, const nlohmann::json& now) {
  nlohmann::json all = before;
  all.update(now);
  std::string text;
  for (const auto& [key, either] : all.items()) {
    const nlohmann::json old = before.value(key, nlohmann::json());
    const nlohmann::json value = now.value(key, nlohmann::json());
    if (old != value)
      text += fmt::format("\n  {}: {} there, {} now", key, write_json(old), write_json(value));
  }
  return text;
}

void open_sample_folder(const fs::path& folder, const nlohmann::json& description,
                        std::uint64_t count) {
  if (is_there(folder, true) && !is_folder(folder, true))
    throw Error(ExitCode::kCannotWrite, "--to {}: it is a file; name a folder, or a file .npz",
                folder.string());
  std::error_code status;
  fs::create_directories(folder, status);
  if (status) throw file_error("making the folder", folder.string(), status.value(), true);
  const nlohmann::json before = read_samples_file(folder);
  if (!before.is_null()) {
    if (const std::string text = describe_differences(before["samples"], description);
        !text.empty())
      throw Error(ExitCode::kCannotWrite,
                  "{} holds other samples, so it cannot be continued:{}\nChoose another folder, or "
                  "remove this one",
                  folder.string(), text);
    if (const auto earlier = before["count"].get<std::uint64_t>(); earlier > count)
      throw Error(ExitCode::kCannotWrite,
                  "{} was made for {} samples, more than --count {}: choose another folder, or "
                  "remove this one",
                  folder.string(), earlier, count);
  }
  write_file(folder / kSamplesFile, write_json(nlohmann::ordered_json{{"format", kFormat},
                                                                      {"count", count},
                                                                      {"samples", description}},
                                               1) +
                                        "\n");
}

bool is_whole_png(std::string_view bytes) {
  constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
  constexpr std::size_t kAround = 12;  // length, type and checksum of a chunk
  if (!bytes.starts_with(kSignature)) return false;
  bytes.remove_prefix(kSignature.size());
  while (bytes.size() >= kAround) {
    const std::size_t length = big_endian_u32(bytes);
    if (length > bytes.size() - kAround) return false;
    const std::string_view type_and_data = bytes.substr(4, 4 + length);
    const auto crc = ::crc32_z(0, reinterpret_cast<const unsigned char*>(type_and_data.data()),
                               type_and_data.size());
    if (crc != big_endian_u32(bytes.substr(8 + length))) return false;
    bytes.remove_prefix(kAround + length);
    if (type_and_data.starts_with("IEND")) return bytes.empty();
  }
  return false;
}

std::string PngFiles::name(std::uint64_t seed) { return fmt::format("{:08}.png", seed); }

bool PngFiles::has(std::uint64_t block) const {
  for (std::uint64_t seed = blocks_.begin_of(block); seed < blocks_.end_of(block); ++seed) {
    const fs::path file = folder_ / name(seed);
    if (type_of_file(file, true) != fs::file_type::regular || !is_whole_png(read_file(file)))
      return false;
  }
  return true;
}

void PngFiles::write(std::uint64_t block, const at::Tensor& pixels) const {
  const std::uint64_t begin = block * blocks_.size;
  for (std::uint64_t seed = blocks_.begin_of(block); seed < blocks_.end_of(block); ++seed) {
    const at::Tensor image = pixels[static_cast<std::int64_t>(seed - begin)];
    const std::string png =
        encode_png({{image.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(image.numel())},
                    image.size(0),
                    image.size(1),
                    image.size(2)});
    write_unflushed(folder_ / name(seed), png);
  }
}

fs::path RawFiles::path(std::uint64_t block) const {
  return folder_ / fmt::format("block-{:08}.raw", block);
}

bool RawFiles::is_whole(std::string_view bytes) const {
  const std::size_t size = blocks_.size * image_bytes_;
  return bytes.size() == size + kCrcBytes &&
         crc32c(as_bytes(bytes.substr(0, size))) == little_endian(bytes.substr(size));
}

bool RawFiles::has(std::uint64_t block) const {
  const fs::path file = path(block);
  return type_of_file(file, true) == fs::file_type::regular && is_whole(read_file(file));
}

void RawFiles::write(std::uint64_t block, const at::Tensor& pixels) const {
  const at::Tensor whole = pixels.contiguous();
  VALLEY_CHECK(static_cast<std::uint64_t>(whole.numel()) == blocks_.size * image_bytes_);
  std::string bytes(reinterpret_cast<const char*>(whole.const_data_ptr<std::uint8_t>()),
                    static_cast<std::size_t>(whole.numel()));
  append_little_endian(bytes, crc32c(as_bytes(bytes)), kCrcBytes);
  write_unflushed(path(block), bytes);
}

std::string RawFiles::read(std::uint64_t block) const {
  const std::string bytes = read_file(path(block));
  if (!is_whole(bytes))
    throw Error(ExitCode::kData, "{}: it is damaged; remove it and repeat the command",
                path(block).string());
  const std::uint64_t first = blocks_.begin_of(block);
  return bytes.substr((first - block * blocks_.size) * image_bytes_,
                      (blocks_.end_of(block) - first) * image_bytes_);
}

}  // namespace valley::app
