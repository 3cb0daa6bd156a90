#include "sources/numpy_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "sources/byte_rows.h"
#include "sources/member_names.h"
#include "sources/zip_file.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "\x93NUMPY";

// Reads the Python dictionary of a header, as numpy.lib.format writes it.
class HeaderText {
 public:
  HeaderText(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {}

  // Text after 'KEY':, without leading spaces.
  [[nodiscard]] std::string_view value(std::string_view key) const {
    for (const char quote : {'\'', '"'}) {
      const std::string quoted = std::string(1, quote) + std::string(key) + quote;
      auto at = text_.find(quoted);
      if (at == std::string_view::npos) continue;
      std::string_view rest = text_.substr(at + quoted.size());
      while (!rest.empty() && (rest[0] == ':' || rest[0] == ' ')) rest.remove_prefix(1);
      return rest;
    }
    fail(fmt::format("its header has no \"{}\"", key));
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::kData, "{}: {}; expected a .npy file of numpy.save", name_, what);
  }

 private:
  std::string_view text_;
  std::string name_;
};

std::vector<std::uint64_t> shape_of(const HeaderText& header) {
  std::string_view text = header.value("shape");
  const auto end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) header.fail("its shape is no tuple");
  text = text.substr(1, end - 1);
  std::vector<std::uint64_t> shape;
  while (!text.empty()) {
    if (text[0] == ' ' || text[0] == ',') {
      text.remove_prefix(1);
      continue;
    }
    std::uint64_t size = 0;
    const auto [rest, status] = std::from_chars(text.data(), text.data() + text.size(), size);
    constexpr std::size_t kMaxDimensions = 32;
    if (status != std::errc() || shape.size() == kMaxDimensions)
      header.fail("its shape is not one of whole numbers");
    shape.push_back(size);
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  }
  return shape;
}

// Number of values; nothing if it does not fit into 64 bits.
std::optional<std::uint64_t> count_of(const std::vector<std::uint64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t size : shape) {
    if (size != 0 && count > UINT64_MAX / size) return std::nullopt;
    count *= size;
  }
  return count;
}

// Code points that are not characters become bytes that are not UTF-8.
std::string utf8_of(std::span<const char32_t> characters) {
  std::string text;
  const auto add = [&text](char32_t byte) { text += static_cast<char>(byte); };
  const auto follow = [&add](char32_t bits) { add(0x80U | (bits & 0x3FU)); };
  for (const char32_t c : characters) {
    if (c < 0x80) {
      add(c);
    } else if (c < 0x800) {
      add(0xC0U | c >> 6U);
      follow(c);
    } else if (c < 0x10000) {
      add(0xE0U | c >> 12U);
      follow(c >> 6U);
      follow(c);
    } else if (c < 0x110000) {
      add(0xF0U | c >> 18U);
      follow(c >> 12U);
      follow(c >> 6U);
      follow(c);
    } else {
      add(0xFF);
    }
  }
  return text;
}

std::uint64_t width_of(std::string_view type) {
  std::uint64_t width = 0;
  if (type.size() > 2) std::from_chars(type.data() + 2, type.data() + type.size(), width);
  return width;
}

// Where an array is: its header, and its values at an offset of a range of bytes.
struct Array {
  NpyHeader header;
  std::shared_ptr<const ByteRange> bytes;
  std::uint64_t first = 0;
};

void require_whole(const Array& array, const std::string& name) {
  const auto count = count_of(array.header.shape);
  const std::uint64_t width = width_of(array.header.type);
  const std::uint64_t there = array.bytes->size() - std::min(array.bytes->size(), array.first);
  if (!count || width == 0 || *count > there / width)
    throw Error(ExitCode::kData, "{}: its values end early; save or download it again", name);
}

bool holds_images(const NpyHeader& header) {
  return header.type == "|u1" && !header.is_fortran && image_shape(header.shape).has_value();
}

ImageArrays images_of(Array array, std::string kind, std::string name) {
  const auto shape = image_shape(array.header.shape);
  if (array.header.type != "|u1" || array.header.is_fortran || !shape)
    throw Error(
        ExitCode::kData,
        "{} holds {} of shape [{}]{}; expected uint8 [n, height, width], [n, height, width, "
        "3] or [n, 3, height, width] in C order",
        name, array.header.type, fmt::join(array.header.shape, ", "),
        array.header.is_fortran ? " in Fortran order" : "");
  require_whole(array, name);
  ImageArrays arrays;
  arrays.kind = std::move(kind);
  arrays.name = std::move(name);
  arrays.shape = *shape;
  arrays.rows = std::make_unique<StridedRows>(
      std::vector<RowPart>{{std::move(array.bytes), array.first, array.header.shape[0]}},
      shape->bytes());
  return arrays;
}

Array open_array(const fs::path& file) {
  Array array;
  array.bytes = open_bytes(file);
  std::string begin(std::min<std::uint64_t>(array.bytes->size(), kMaxNpyHeader), '\0');
  array.bytes->read(0, std::as_writable_bytes(std::span(begin)));
  array.header = parse_npy_header(begin, file.string());
  array.first = array.header.header_bytes;
  return array;
}

// Whole numbers of 1 to 8 bytes, little-endian.
bool is_label_type(std::string_view type) {
  return type == "|u1" || type == "|i1" ||
         (type.size() == 3 && type[0] == '<' && (type[1] == 'i' || type[1] == 'u') &&
          (type[2] == '2' || type[2] == '4' || type[2] == '8'));
}

std::vector<std::int64_t> labels_of(const Array& array, const std::string& name) {
  require_whole(array, name);
  const std::uint64_t width = width_of(array.header.type);
  const std::uint64_t count = *count_of(array.header.shape);
  std::vector<std::byte> bytes(count * width);
  array.bytes->read(array.first, bytes);
  const bool is_signed = array.header.type[1] == 'i';
  std::vector<std::int64_t> labels;
  labels.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t value = 0;
    for (std::uint64_t b = 0; b < width; ++b)
      value |= static_cast<std::uint64_t>(bytes[i * width + b]) << (8 * b);
    if (is_signed && width < 8 && (value >> (8 * width - 1)) != 0)
      value -= std::uint64_t{1} << (8 * width);
    labels.push_back(static_cast<std::int64_t>(value));
  }
  return labels;
}

// The texts of an array of type "<U12": code points of 32 bits, padded with zeros.
std::vector<std::string> texts_of(const Array& array, const std::string& name) {
  const std::uint64_t width = width_of(array.header.type);
  const std::uint64_t count = count_of(array.header.shape).value_or(UINT64_MAX);
  const std::uint64_t bytes = array.bytes->size() - std::min(array.bytes->size(), array.first);
  if (count == 0) return {};
  if (width == 0 || width > bytes || count > bytes / 4 / width)
    throw Error(ExitCode::kData, "{}: its texts end early; save or download it again", name);
  std::vector<std::string> texts;
  texts.reserve(count);
  std::vector<char32_t> characters(width);
  for (std::uint64_t i = 0; i < count; ++i) {
    array.bytes->read(array.first + 4 * i * width, std::as_writable_bytes(std::span(characters)));
    while (!characters.empty() && characters.back() == 0) characters.pop_back();
    texts.push_back(utf8_of(characters));
    characters.resize(width);
    if (!is_image_name(texts.back()))
      throw Error(ExitCode::kData,
                  "{}: text {} is empty, or holds control characters or invalid code points", name,
                  i);
  }
  return texts;
}

// The arrays of an .npz file by name.
class Npz {
 public:
  explicit Npz(const fs::path& file) : file_(file), zip_(file) {
    for (std::uint64_t i = 0; i < zip_.size(); ++i) {
      const ZipMember member = zip_.member(i);
      if (!member.path.ends_with(".npy")) continue;
      members_[member.path.substr(0, member.path.size() - 4)] = {i, member};
    }
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, place] : members_) names.push_back(name);
    return names;
  }
  [[nodiscard]] bool has(const std::string& name) const { return members_.contains(name); }
  // The header alone.
  [[nodiscard]] NpyHeader header(const std::string& name) const {
    return parse_npy_header(begin_of(name, kMaxNpyHeader), where(name));
  }
  [[nodiscard]] Array array(const std::string& name) const;
  [[nodiscard]] std::string where(const std::string& name) const {
    return fmt::format("{}: array \"{}\"", file_.string(), name);
  }

 private:
  struct Place {
    std::uint64_t index = 0;
    ZipMember member;
  };
  [[nodiscard]] std::string begin_of(const std::string& name, std::uint64_t bytes) const {
    const Place& place = members_.at(name);
    std::string begin;
    if (const auto reject =
            zip_.read_begin(place.index, std::min(bytes, place.member.bytes), begin))
      throw Error(ExitCode::kData, "{}: {} ({})", where(name), reject->reason, reject->detail);
    return begin;
  }

  fs::path file_;
  ZipFile zip_;
  std::map<std::string, Place> members_;
};

Array Npz::array(const std::string& name) const {
  const Place& place = members_.at(name);
  Array array;
  array.header = header(name);
  array.first = array.header.header_bytes;
  if (place.member.is_stored) {
    array.bytes = open_stored_member(file_, place.index, place.member.bytes);
    return array;
  }
  if (place.member.bytes > kMaxUnpacked)
    throw Error(ExitCode::kData,
                "{} is compressed and larger than 1 GiB, which would have to be in memory; save it "
                "with numpy.savez or numpy.save",
                where(name));
  array.bytes = bytes_in_memory(begin_of(name, place.member.bytes));
  return array;
}

// "y_train" for "x_train", "labels" for "images".
std::optional<std::string> label_name(const std::string& images, const Npz& npz) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"images", "labels"}, {"image", "label"}, {"imgs", "labels"}, {"x", "y"},
      {"X", "y"},           {"X", "Y"},         {"arr_0", "arr_1"}};
  for (const auto& [from, to] : kPairs) {
    const auto at = images.find(from);
    if (at == std::string::npos) continue;
    std::string name = images;
    name.replace(at, from.size(), to);
    if (npz.has(name)) return name;
  }
  return std::nullopt;
}

std::string only_images(const Npz& npz, const fs::path& file) {
  std::vector<std::string> candidates;
  for (const std::string& name : npz.names())
    if (holds_images(npz.header(name))) candidates.push_back(name);
  if (candidates.size() == 1) return candidates.front();
  throw Error(ExitCode::kData,
              "{} has {} arrays of images ({}); its arrays are {}: name one with --dataset",
              file.string(), candidates.size(), fmt::join(candidates, ", "),
              fmt::join(npz.names(), ", "));
}

// The arrays "names" and "class_names" that `valley shard export` writes.
void read_texts(const Npz& npz, ImageArrays& arrays) {
  const auto is_list = [&](const std::string& name) {
    if (!npz.has(name)) return false;
    const NpyHeader header = npz.header(name);
    return header.type.starts_with("<U") && header.shape.size() == 1;
  };
  if (is_list("class_names"))
    arrays.class_names = texts_of(npz.array("class_names"), npz.where("class_names"));
  if (!is_list("names")) return;
  arrays.names = texts_of(npz.array("names"), npz.where("names"));
  const std::unordered_set<std::string_view> unique(arrays.names.begin(), arrays.names.end());
  if (arrays.names.size() != arrays.rows->size() || unique.size() != arrays.names.size())
    throw Error(ExitCode::kData, "{} holds {} names, {} of them different, for {} images",
                npz.where("names"), arrays.names.size(), unique.size(), arrays.rows->size());
}

std::optional<std::string> only_labels(const Npz& npz, const std::string& images,
                                       std::uint64_t count) {
  if (std::optional<std::string> named = label_name(images, npz)) return named;
  std::vector<std::string> candidates;
  for (const std::string& name : npz.names()) {
    const NpyHeader header = npz.header(name);
    if (is_label_type(header.type) && header.shape == std::vector<std::uint64_t>{count})
      candidates.push_back(name);
  }
  if (candidates.size() == 1) return candidates.front();
  return std::nullopt;
}

}  // namespace

bool is_npy(std::string_view begin) { return begin.starts_with(kMagic); }

NpyHeader parse_npy_header(std::string_view begin, const std::string& name) {
  const HeaderText nothing({}, name);
  if (!is_npy(begin) || begin.size() < 12) nothing.fail("it does not begin like one");
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(begin[i]); };
  const bool is_old = byte(6) == 1;
  if (byte(6) < 1 || byte(6) > 3) nothing.fail(fmt::format("its format version is {}", byte(6)));
  const std::size_t at = is_old ? 10 : 12;
  std::size_t length = byte(8) | std::size_t{byte(9)} << 8U;
  if (!is_old) length |= std::size_t{byte(10)} << 16U | std::size_t{byte(11)} << 24U;
  if (length > begin.size() - at) nothing.fail("its header is truncated");
  const HeaderText header(begin.substr(at, length), name);
  NpyHeader found;
  found.header_bytes = at + length;
  const std::string_view type = header.value("descr");
  const auto end = type.empty() ? std::string_view::npos : type.find(type[0], 1);
  if (type.empty() || (type[0] != '\'' && type[0] != '"') || end == std::string_view::npos)
    header.fail("its type is not a simple one");
  found.type = type.substr(1, end - 1);
  found.is_fortran = header.value("fortran_order").starts_with("True");
  found.shape = shape_of(header);
  return found;
}

std::optional<ArrayShape> image_shape(const std::vector<std::uint64_t>& shape) {
  constexpr std::uint64_t kMaxSide = 65535;
  const auto is_color = [](std::uint64_t size) { return size == 1 || size == 3; };
  const auto side = [](std::uint64_t size) { return static_cast<std::int64_t>(size); };
  if (shape.size() < 3 || shape.size() > 4 || shape[0] == 0) return std::nullopt;
  for (std::size_t d = 1; d < shape.size(); ++d)
    if (shape[d] == 0 || shape[d] > kMaxSide) return std::nullopt;
  if (shape.size() == 3) return ArrayShape{side(shape[1]), side(shape[2]), 1, false};
  if (is_color(shape[3])) return ArrayShape{side(shape[1]), side(shape[2]), side(shape[3]), false};
  if (is_color(shape[1])) return ArrayShape{side(shape[2]), side(shape[3]), side(shape[1]), true};
  return std::nullopt;
}

ImageArrays open_npy(const fs::path& file) {
  return images_of(open_array(file), "npy", file.string());
}

bool is_npz(const fs::path& file) {
  const ZipFile zip(file);
  for (std::uint64_t i = 0; i < zip.size(); ++i)
    if (!zip.member(i).path.ends_with(".npy")) return false;
  return zip.size() > 0;
}

ImageArrays open_npz(const fs::path& file, const std::optional<std::string>& array) {
  const Npz npz(file);
  const std::string name = array ? *array : only_images(npz, file);
  if (!npz.has(name))
    throw Error(ExitCode::kData, "{} has no array \"{}\"; it has {}", file.string(), name,
                fmt::join(npz.names(), ", "));
  ImageArrays arrays = images_of(npz.array(name), "npz", npz.where(name));
  read_texts(npz, arrays);
  const auto labels = only_labels(npz, name, arrays.rows->size());
  if (!labels) {
    arrays.notes.push_back("no array has a label per image, so the images have none");
    return arrays;
  }
  const Array classes = npz.array(*labels);
  if (!is_label_type(classes.header.type))
    throw Error(ExitCode::kData, "{} holds {}, not whole numbers; --labels none ignores it",
                npz.where(*labels), classes.header.type);
  arrays.labels = labels_of(classes, npz.where(*labels));
  const auto largest = std::ranges::max_element(arrays.labels);
  const auto known = static_cast<std::int64_t>(arrays.class_names.size());
  if (known > 0 && largest != arrays.labels.end() && *largest >= known)
    throw Error(ExitCode::kData, "{} has labels up to {}, but \"class_names\" has {} names",
                npz.where(*labels), *largest, known);
  return arrays;
}

}  // namespace valley
