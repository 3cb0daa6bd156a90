#include "storage/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::size_t kMaxDimensions = 64;
constexpr const char* kMetadataKey = "__metadata__";

constexpr auto kNotRead = at::ScalarType::Undefined;
// Types that are read, and types of the format (safetensors 0.7) that are skipped.
constexpr ElementType kElementTypes[] = {
    {"F64", at::ScalarType::Double, 64},
    {"F32", at::ScalarType::Float, 32},
    {"F16", at::ScalarType::Half, 16},
    {"BF16", at::ScalarType::BFloat16, 16},
    {"I64", at::ScalarType::Long, 64},
    {"I32", at::ScalarType::Int, 32},
    {"I16", at::ScalarType::Short, 16},
    {"I8", at::ScalarType::Char, 8},
    {"U8", at::ScalarType::Byte, 8},
    {"BOOL", at::ScalarType::Bool, 8},
    {"U64", kNotRead, 64},
    {"U32", kNotRead, 32},
    {"U16", kNotRead, 16},
    {"C64", kNotRead, 64},
    {"F8_E4M3", kNotRead, 8},
    {"F8_E5M2", kNotRead, 8},
    {"F8_E8M0", kNotRead, 8},
    {"F8_E4M3FNUZ", kNotRead, 8},
    {"F8_E5M2FNUZ", kNotRead, 8},
    {"F6_E2M3", kNotRead, 6},
    {"F6_E3M2", kNotRead, 6},
    {"F4", kNotRead, 4},
};

// Number of elements of `shape`; the overflow check counts dimensions of 0 as 1, as strides do.
std::optional<std::uint64_t> elements_of(const std::vector<std::int64_t>& shape,
                                         std::uint64_t max_elements) {
  std::uint64_t elements = 1;
  bool is_empty = false;
  for (const std::int64_t size : shape) {
    is_empty = is_empty || size == 0;
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    if (elements > max_elements / factor) return std::nullopt;
    elements *= factor;
  }
  return is_empty ? 0 : elements;
}

// Handles events of the JSON parser and allows exactly
//   { "__metadata__": {text: text, ...}, name: {"dtype": text, "shape": [n...], "data_offsets": [n,
//   n]}, ... }
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}
  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { refuse_value("null"); }
  bool boolean(bool /*value*/) override { refuse_value("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { refuse_value("a negative number"); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    refuse_value("a number that is not a 64-bit integer");
  }
  bool binary(binary_t& /*value*/) override { refuse_value("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        refuse_value("a dimension over 2^63 - 1");
      if (entry_.shape.size() == kMaxDimensions)
        refuse_value(fmt::format("more than {} dimensions", kMaxDimensions));
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (place_ == Place::kOffsets) {
      if (offsets_.size() == 2) refuse_value("more than two data_offsets");
      offsets_.push_back(value);
    } else {
      refuse_value("a number");
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      if (!header_.metadata.emplace(key_, std::move(value)).second)
        refuse(fmt::format("metadata holds {} twice", quoted_name(key_)));
    } else if (place_ == Place::kTensor && key_ == "dtype") {
      entry_.element = find_element_type(value);
      entry_.dtype = std::move(value);
    } else {
      refuse_value("a string");
    }
    return true;
  }

  bool start_object(std::size_t /*size*/) override {
    if (place_ == Place::kFile) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = entry_.name == kMetadataKey ? Place::kMetadata : Place::kTensor;
    } else {
      refuse_value("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (place_ == Place::kTop) {
      if (!names_.insert(key_).second) refuse(fmt::format("{} occurs twice", quoted_name(key_)));
      entry_ = TensorEntry{};
      entry_.name = key_;
      fields_.clear();
      offsets_.clear();
    } else if (place_ == Place::kTensor) {
      if (key_ != "dtype" && key_ != "shape" && key_ != "data_offsets")
        refuse(
            fmt::format("{} has the unknown key {}", quoted_name(entry_.name), quoted_name(key_)));
      if (!fields_.insert(key_).second)
        refuse(fmt::format("{} has {} twice", quoted_name(entry_.name), key_));
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) finish_tensor();
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool start_array(std::size_t /*size*/) override {
    if (place_ == Place::kTensor && key_ == "shape") {
      place_ = Place::kShape;
    } else if (place_ == Place::kTensor && key_ == "data_offsets") {
      place_ = Place::kOffsets;
    } else {
      refuse_value("an array");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    refuse(fmt::format("its header is not valid JSON at byte {}", position));
  }

 private:
  enum class Place { kFile, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  [[noreturn]] void refuse(const std::string& rule) const { refuse_safetensors(file_, rule); }
  [[noreturn]] void refuse_value(const std::string& what) const {
    if (place_ == Place::kFile) refuse("its header is " + what + ", not an object");
    if (place_ == Place::kTop) refuse(quoted_name(key_) + " is " + what + ", not an object");
    refuse(fmt::format("{} of {} is or holds {}, which is not allowed there", quoted_name(key_),
                       quoted_name(entry_.name), what));
  }

  void finish_tensor() {
    if (fields_.size() != 3)
      refuse(quoted_name(entry_.name) + " needs dtype, shape and data_offsets");
    if (offsets_.size() != 2) refuse(quoted_name(entry_.name) + " needs two data_offsets");
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    header_.tensors.push_back(std::move(entry_));
  }

  const std::string& file_;
  SafetensorsHeader header_;
  Place place_ = Place::kFile;
  std::string key_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> fields_;
  TensorEntry entry_;
  std::vector<std::uint64_t> offsets_;
};

// Compares the bytes of a tensor with its shape and type, unless the type is unknown. Elements of
// fewer than 8 bits must fill whole bytes.
void check_size(const TensorEntry& tensor, const std::string& file) {
  const std::string name = quoted_name(tensor.name);
  constexpr auto kMaxBits = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t bits = tensor.element == nullptr ? 1 : tensor.element->bits;
  const std::uint64_t bytes = tensor.end - tensor.begin;
  const std::optional<std::uint64_t> elements = elements_of(tensor.shape, kMaxBits / bits);
  if (!elements) refuse_safetensors(file, "the size of " + name + " overflows");
  if (tensor.element == nullptr) return;
  if (*elements * bits % 8 != 0)
    refuse_safetensors(file, fmt::format("{} has {} elements of {} bits, which do not fill whole "
                                         "bytes",
                                         name, *elements, bits));
  if (*elements * bits / 8 != bytes)
    refuse_safetensors(file, fmt::format("{} has {} bytes where its shape and dtype make {}", name,
                                         bytes, *elements * bits / 8));
}

void check_layout(std::vector<TensorEntry>& tensors, std::uint64_t data_bytes,
                  const std::string& file) {
  std::ranges::sort(tensors, [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t position = 0;
  for (const TensorEntry& tensor : tensors) {
    const std::string name = quoted_name(tensor.name);
    if (tensor.end < tensor.begin) refuse_safetensors(file, name + " ends before it begins");
    if (tensor.end > data_bytes)
      refuse_safetensors(file, fmt::format("{} ends at byte {} of the data, which has {}", name,
                                           tensor.end, data_bytes));
    if (tensor.begin != position)
      refuse_safetensors(file, fmt::format("{} {} at byte {} of the data", name,
                                           tensor.begin < position ? "overlaps its neighbor"
                                                                   : "leaves a gap before it",
                                           tensor.begin));
    check_size(tensor, file);
    position = tensor.end;
  }
  if (position != data_bytes)
    refuse_safetensors(
        file, fmt::format("{} bytes of its data belong to no tensor", data_bytes - position));
}

}  // namespace

const ElementType* find_element_type(std::string_view name) {
  const auto* found = std::ranges::find(kElementTypes, name, &ElementType::name);
  return found == std::end(kElementTypes) ? nullptr : found;
}

const ElementType* find_element_type(at::ScalarType type) {
  if (type == kNotRead) return nullptr;
  const auto* found = std::ranges::find(kElementTypes, type, &ElementType::type);
  return found == std::end(kElementTypes) ? nullptr : found;
}

std::string quoted_name(std::string_view name) {
  constexpr std::size_t kLongest = 100;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

void refuse_safetensors(const std::string& file, const std::string& rule) {
  throw Error(ExitCode::kData, "{}: not a valid safetensors file: {}", file, rule);
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& file) {
  if (json.empty() || json.front() != '{')
    refuse_safetensors(file, "its header does not start with '{'");
  // The parser ends at a zero byte.
  if (json.find('\0') != std::string_view::npos)
    refuse_safetensors(file, "its header holds a zero byte");
  const std::size_t last = json.find_last_not_of(' ');
  if (json[last] != '}') refuse_safetensors(file, "its header does not end with '}' and spaces");
  const std::string_view object = json.substr(0, last + 1);
  HeaderReader reader(file);
  nlohmann::json::sax_parse(object.begin(), object.end(), &reader);
  SafetensorsHeader header = reader.take();
  check_layout(header.tensors, data_bytes, file);
  return header;
}

}  // namespace valley
