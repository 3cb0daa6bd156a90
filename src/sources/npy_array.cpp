#include "sources/npy_array.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "core/error.h"
#include "sources/member_names.h"

namespace valley {
namespace {

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

void require_whole(const NpyArray& array, const std::string& name) {
  const auto count = count_of(array.header.shape);
  const std::uint64_t width = width_of(array.header.type);
  const std::uint64_t there = array.bytes->size() - std::min(array.bytes->size(), array.first);
  if (!count || width == 0 || *count > there / width)
    throw Error(ExitCode::kData, "{}: its values end early; save or download it again", name);
}

}  // namespace

bool holds_images(const NpyHeader& header) {
  return header.type == "|u1" && !header.is_fortran && image_shape(header.shape).has_value();
}

bool is_label_type(std::string_view type) {
  return type == "|u1" || type == "|i1" ||
         (type.size() == 3 && type[0] == '<' && (type[1] == 'i' || type[1] == 'u') &&
          (type[2] == '2' || type[2] == '4' || type[2] == '8'));
}

ImageArrays images_of(NpyArray array, std::string kind, std::string name) {
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

std::vector<std::int64_t> labels_of(const NpyArray& array, const std::string& name) {
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

std::vector<std::string> texts_of(const NpyArray& array, const std::string& name) {
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

}  // namespace valley
