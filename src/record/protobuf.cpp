#include "record/protobuf.h"

#include <bit>

#include "core/little_endian.h"

namespace valley {
namespace {

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kLength = 2;
constexpr std::uint32_t kFixed32 = 5;
constexpr std::uint32_t kTypeBits = 3;
constexpr std::uint32_t kTypeMask = 7;

constexpr unsigned kGroupBits = 7;
constexpr std::uint64_t kGroupMask = 0x7F;
constexpr std::uint64_t kMore = 0x80;
constexpr unsigned kWordBits = 64;

std::optional<std::uint64_t> take_fixed(std::string_view& from, std::size_t size) {
  if (from.size() < size) return std::nullopt;
  const std::uint64_t word = little_endian(from.substr(0, size));
  from.remove_prefix(size);
  return word;
}

std::optional<std::uint64_t> take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < kWordBits && !from.empty(); shift += kGroupBits) {
    const std::uint64_t group = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= (group & kGroupMask) << shift;
    if ((group & kMore) == 0) return value;
  }
  return std::nullopt;
}

}  // namespace

void ProtoMessage::put_varint(std::uint64_t value) {
  for (; value >= kMore; value >>= kGroupBits)
    bytes_ += static_cast<char>((value & kGroupMask) | kMore);
  bytes_ += static_cast<char>(value);
}

void ProtoMessage::put_tag(std::uint32_t field, std::uint32_t wire_type) {
  put_varint(std::uint64_t{field} << kTypeBits | wire_type);
}

ProtoMessage& ProtoMessage::add_varint(std::uint32_t field, std::uint64_t value) {
  put_tag(field, kVarint);
  put_varint(value);
  return *this;
}

ProtoMessage& ProtoMessage::add_double(std::uint32_t field, double value) {
  put_tag(field, kFixed64);
  append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value), sizeof(value));
  return *this;
}

ProtoMessage& ProtoMessage::add_float(std::uint32_t field, float value) {
  put_tag(field, kFixed32);
  append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value), sizeof(value));
  return *this;
}

ProtoMessage& ProtoMessage::add_bytes(std::uint32_t field, std::string_view bytes) {
  put_tag(field, kLength);
  put_varint(bytes.size());
  bytes_ += bytes;
  return *this;
}

ProtoMessage& ProtoMessage::add_message(std::uint32_t field, const ProtoMessage& message) {
  return add_bytes(field, message.bytes());
}

std::optional<ProtoField> next_field(std::string_view& message) {
  std::string_view rest = message;
  const auto tag = take_varint(rest);
  if (!tag) return std::nullopt;
  ProtoField field;
  field.number = static_cast<std::uint32_t>(*tag >> kTypeBits);
  std::optional<std::uint64_t> value;
  switch (*tag & kTypeMask) {
    case kVarint:
    case kLength:
      value = take_varint(rest);
      break;
    case kFixed64:
      value = take_fixed(rest, sizeof(std::uint64_t));
      break;
    case kFixed32:
      value = take_fixed(rest, sizeof(std::uint32_t));
      break;
    default:
      break;
  }
  if (!value) return std::nullopt;
  if ((*tag & kTypeMask) == kLength) {
    if (*value > rest.size()) return std::nullopt;
    field.bytes = rest.substr(0, *value);
    rest.remove_prefix(*value);
  } else {
    field.value = *value;
  }
  message = rest;
  return field;
}

}  // namespace valley
