#include "sources/idx.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "sources/byte_rows.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr unsigned char kBytesType = 0x08;
constexpr std::size_t kMaxDimensions = 3;

struct IdxFile {
  std::shared_ptr<const ByteRange> bytes;
  std::vector<std::uint64_t> shape;
  std::uint64_t header_bytes = 0;
};

std::uint32_t big_endian(std::span<const std::byte, 4> b) {
  std::uint32_t value = 0;
  for (const std::byte byte : b) value = value << 8U | static_cast<std::uint32_t>(byte);
  return value;
}

std::shared_ptr<const ByteRange> open_maybe_gzip(const fs::path& file) {
  std::shared_ptr<const ByteRange> bytes = open_bytes(file);
  std::array<std::byte, 2> begin{};
  if (bytes->size() < begin.size()) return bytes;
  bytes->read(0, begin);
  if (!is_gzip({reinterpret_cast<const char*>(begin.data()), begin.size()})) return bytes;
  return bytes_in_memory(unpack_gzip(file));
}

IdxFile open_file(const fs::path& file, std::size_t dimensions) {
  const auto fail = [&](const std::string& what) {
    return Error(ExitCode::kData, "{}: {}; expected an idx file of bytes with {} dimensions",
                 file.string(), what, dimensions);
  };
  IdxFile idx{open_maybe_gzip(file), {}, 4 + 4 * dimensions};
  if (idx.bytes->size() < idx.header_bytes) throw fail("it is too short for a header");
  std::array<std::byte, 4 + 4 * kMaxDimensions> header{};
  idx.bytes->read(0, std::span(header).first(idx.header_bytes));
  if (header[0] != std::byte{0} || header[1] != std::byte{0} ||
      header[2] != std::byte{kBytesType} || header[3] != std::byte(dimensions))
    throw fail("its header is another one");
  std::uint64_t values = 1;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::uint64_t size =
        big_endian(std::span<const std::byte, 4>(header.data() + 4 + 4 * d, 4));
    idx.shape.push_back(size);
    if (size == 0) throw fail("it holds no value");
    if (size > UINT64_MAX / values) throw fail("its header says impossibly many values");
    values *= size;
  }
  if (idx.bytes->size() - idx.header_bytes != values)
    throw Error(ExitCode::kData,
                "{}: {} bytes of values, but its header says {}; download it again", file.string(),
                idx.bytes->size() - idx.header_bytes, values);
  return idx;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.rfind(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

// The existing file with the labels, or an empty path.
fs::path labels_beside(const fs::path& images) {
  const std::string name =
      replaced(replaced(images.filename().string(), "images", "labels"), "idx3", "idx1");
  if (name == images.filename().string()) return {};
  const std::string plain = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
  for (const std::string& candidate : {name, plain, plain + ".gz"})
    if (is_there(images.parent_path() / candidate)) return images.parent_path() / candidate;
  return {};
}

}  // namespace

bool is_idx(std::string_view begin) {
  return begin.size() >= 4 && begin[0] == 0 && begin[1] == 0 && begin[2] == kBytesType &&
         begin[3] == 3;
}

ImageArrays open_idx(const fs::path& images) {
  IdxFile file = open_file(images, 3);
  ImageArrays arrays;
  arrays.kind = "idx";
  arrays.name = images.string();
  arrays.shape.height = static_cast<std::int64_t>(file.shape[1]);
  arrays.shape.width = static_cast<std::int64_t>(file.shape[2]);
  const std::uint64_t count = file.shape[0];
  arrays.rows = std::make_unique<StridedRows>(
      std::vector<RowPart>{{std::move(file.bytes), file.header_bytes, count}},
      arrays.shape.bytes());
  const fs::path labels = labels_beside(images);
  if (labels.empty()) {
    arrays.notes.push_back(
        "there is no file of labels beside it (train-labels-idx1-ubyte for "
        "train-images-idx3-ubyte), so the images have none");
    return arrays;
  }
  const IdxFile classes = open_file(labels, 1);
  if (classes.shape[0] != count)
    throw Error(ExitCode::kData,
                "{} has {} labels for the {} images of {}; --labels none ignores it",
                labels.string(), classes.shape[0], count, images.string());
  for (const char value : text_of(*classes.bytes).substr(classes.header_bytes))
    arrays.labels.push_back(static_cast<unsigned char>(value));
  return arrays;
}

}  // namespace valley
