// The part of the protocol buffers' wire format that TensorBoard events need: building messages
// field by field and iterating over their fields. https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace valley {

// A message under construction. Field numbers are those of its .proto file; fields appear in the
// order in which they are added.
class ProtoMessage {
 public:
  ProtoMessage& add_varint(std::uint32_t field, std::uint64_t value);  // (u)int32/64, enum, bool
  ProtoMessage& add_double(std::uint32_t field, double value);
  ProtoMessage& add_float(std::uint32_t field, float value);
  ProtoMessage& add_bytes(std::uint32_t field, std::string_view bytes);  // bytes and string
  ProtoMessage& add_message(std::uint32_t field, const ProtoMessage& message);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void put_tag(std::uint32_t field, std::uint32_t wire_type);
  void put_varint(std::uint64_t value);
  std::string bytes_;
};

// One field of an encoded message.
struct ProtoField {
  std::uint32_t number = 0;
  std::uint64_t value = 0;  // value of a varint, or bits of a fixed-size number
  std::string_view bytes;   // contents of a string, bytes or message; a view of the message
};

// Removes the first field from `message`. nullopt at its end, and (with `message` not empty) if it
// is malformed.
[[nodiscard]] std::optional<ProtoField> next_field(std::string_view& message);

}  // namespace valley
