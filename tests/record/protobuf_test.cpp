#include "record/protobuf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace valley {
namespace {

using namespace std::string_literals;

TEST(ProtoMessage, VarintsAreThoseOfTheSpecification) {
  // "Message Test1 { optional int32 a = 1; } ... set a to 150"
  EXPECT_EQ(ProtoMessage().add_varint(1, 150).bytes(), "\x08\x96\x01");
  EXPECT_EQ(ProtoMessage().add_varint(1, 0).bytes(), "\x08\x00"s);
  EXPECT_EQ(ProtoMessage().add_varint(1, 127).bytes(), "\x08\x7F");
  EXPECT_EQ(ProtoMessage().add_varint(1, 128).bytes(), "\x08\x80\x01");
  // A negative int64 takes ten bytes.
  EXPECT_EQ(ProtoMessage().add_varint(2, static_cast<std::uint64_t>(std::int64_t{-2})).bytes(),
            "\x10\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
}

TEST(ProtoMessage, OtherTypesAreThoseOfTheSpecification) {
  // "Message Test2 { optional string b = 2; } ... set b to "testing""
  EXPECT_EQ(ProtoMessage().add_bytes(2, "testing").bytes(), "\x12\x07testing");
  // "Message Test3 { optional Test1 c = 3; } ... a set to 150"
  EXPECT_EQ(ProtoMessage().add_message(3, ProtoMessage().add_varint(1, 150)).bytes(),
            "\x1a\x03\x08\x96\x01");
  EXPECT_EQ(ProtoMessage().add_float(1, 0.5F).bytes(), "\x0D\x00\x00\x00\x3F"s);
  EXPECT_EQ(ProtoMessage().add_double(1, 0.5).bytes(), "\x09\x00\x00\x00\x00\x00\x00\xE0\x3F"s);
  EXPECT_EQ(ProtoMessage().add_varint(16, 1).bytes(), "\x80\x01\x01"s);  // a field of two bytes
}

TEST(NextField, ReturnsTheAddedFields) {
  const std::string long_text(300, 'x');
  const std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
  const std::string bytes = ProtoMessage()
                                .add_varint(1, largest)
                                .add_double(2, 0.5)
                                .add_float(300, 0.5F)
                                .add_bytes(4, long_text)
                                .add_bytes(5, "")
                                .bytes();
  std::string_view rest = bytes;
  EXPECT_EQ(next_field(rest)->value, largest);
  EXPECT_EQ(next_field(rest)->value, 0x3FE0000000000000U);
  const auto number = next_field(rest);
  EXPECT_EQ(number->number, 300U);
  EXPECT_EQ(number->value, 0x3F000000U);
  EXPECT_EQ(next_field(rest)->bytes, long_text);
  EXPECT_EQ(next_field(rest)->number, 5U);
  EXPECT_FALSE(next_field(rest).has_value());
  EXPECT_TRUE(rest.empty());
}

TEST(NextField, EndsAtAMalformedField) {
  for (const std::string& bytes : {
           "\x08"s,                                              // no value
           "\x08\x80"s,                                          // a varint without its end
           "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s,  // a varint of eleven bytes
           "\x0D\x00\x00\x00"s,                                  // a float of three bytes
           "\x09\x00\x00\x00\x00"s,                              // a double of four
           "\x12\x05test"s,                                      // a string that ends too early
           "\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"s,          // a string without end
           "\x0B"s,                                              // a group
       }) {
    std::string_view rest = bytes;
    EXPECT_FALSE(next_field(rest).has_value());
    EXPECT_EQ(rest, bytes);
  }
}

}  // namespace
}  // namespace valley
