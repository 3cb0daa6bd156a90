#include "sources/numpy_files.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "core/error.h"
#include "sources/byte_rows.h"
#include "sources/npy_array.h"

namespace valley {
namespace {

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

ImageArrays open_npy(const std::filesystem::path& file) {
  NpyArray array;
  array.bytes = open_bytes(file);
  std::string begin(std::min<std::uint64_t>(array.bytes->size(), kMaxNpyHeader), '\0');
  array.bytes->read(0, std::as_writable_bytes(std::span(begin)));
  array.header = parse_npy_header(begin, file.string());
  array.first = array.header.header_bytes;
  return images_of(std::move(array), "npy", file.string());
}

}  // namespace valley
