// Malicious files: each is rejected with an Error that names the file and the rule.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>

#include "core/atomic_file.h"
#include "expect_error.h"
#include "storage/safetensors.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + rest;
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\0'));
}

std::string valid_file() {
  std::string file;
  stream_safetensors(
      {{{"generator.weight", at::rand({7, 5}, at::kFloat)},
        {"generator.bias", at::rand({7}, at::kHalf)},
        {"mask", at::ones({9}, at::kBool)},
        {"step", at::scalar_tensor(12, at::kLong)}},
       {{"model.name", "began"}, {"model.width", "64"}}},
      [&](Bytes bytes) { file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
  return file;
}

// Parses, or throws Error (kData) naming the file; anything else fails the test. True: it parsed.
bool parses_or_is_refused(const std::string& file) {
  try {
    const TensorFile contents = parse_safetensors(as_bytes(file), "weights.bin");
    for (const auto& [name, tensor] : contents.tensors)
      if (tensor.numel() > 0) static_cast<void>(tensor.to(at::kDouble).sum().item<double>());
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData) << error.what();
    EXPECT_TRUE(std::string(error.what()).starts_with("weights.bin: ")) << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an Error: " << error.what();
  }
  return false;
}

void expect_rejected(const std::string& file, const std::string& rule) {
  expect_error(ExitCode::kData, {"weights.bin", rule},
               [&] { static_cast<void>(parse_safetensors(as_bytes(file), "weights.bin")); });
}

TEST(HostileSafetensors, TenThousandBitFlips) {
  const std::string valid = valid_file();
  ASSERT_TRUE(parses_or_is_refused(valid));
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, valid.data(), sizeof header_bytes);
  std::mt19937_64 random(1);
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    // Nine of ten in the length and the header, where they matter.
    const std::size_t reach = i % 10 == 0 ? valid.size() : 8 + header_bytes;
    std::string file = valid;
    for (int flips = 1 + i % 3; flips > 0; --flips) {
      char& byte = file[random() % reach];
      byte = static_cast<char>(byte ^ static_cast<char>(1U << random() % 8));
    }
    refused += parses_or_is_refused(file) ? 0 : 1;
  }
  EXPECT_GT(refused, 5'000);
}

TEST(HostileSafetensors, EveryTruncationIsRejected) {
  const std::string valid = valid_file();
  for (std::size_t size = 0; size < valid.size(); ++size)
    EXPECT_FALSE(parses_or_is_refused(valid.substr(0, size))) << size;
  EXPECT_FALSE(parses_or_is_refused(valid + "x"));
}

TEST(HostileSafetensors, TruncationEvery4KiBOfALargerFileOnDisk) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {{{"w", at::zeros({1 << 16}, at::kFloat)}}, {}});
  const auto size = std::filesystem::file_size(folder / "a.safetensors");
  for (std::uintmax_t left = size - size % 4096;; left -= 4096) {
    std::filesystem::resize_file(folder / "a.safetensors", left);
    expect_error(ExitCode::kData, {"a.safetensors"},
                 [&] { static_cast<void>(read_safetensors(folder / "a.safetensors")); });
    if (left == 0) break;
  }
}

TEST(HostileSafetensors, Length) {
  expect_rejected("", "only 0 bytes");
  expect_rejected("1234567", "only 7 bytes");
  expect_rejected(with_length(3, "{}"), "does not fit");
  expect_rejected(with_length(100'000'001, "{}"), "over the limit");
  expect_rejected(with_length(std::uint64_t{1} << 63U, "{}"), "over the limit");
  expect_rejected(with_length(~std::uint64_t{0}, "{}"), "over the limit");
  expect_rejected(with_length(~std::uint64_t{0} - 7, "{}"), "over the limit");
  expect_rejected(with_length(0, ""), "does not start with '{'");
}

TEST(HostileSafetensors, AHeaderOf100Megabytes) {
  std::string header = "{}" + std::string(99'999'998, ' ');
  EXPECT_TRUE(parses_or_is_refused(file_of(header, 0)));
  header += " ";
  expect_rejected(file_of(header, 0), "over the limit");
}

TEST(HostileSafetensors, HeaderText) {
  expect_rejected(file_of(" {}", 0), "start with '{'");
  expect_rejected(file_of("[]", 0), "start with '{'");
  expect_rejected(file_of("\xEF\xBB\xBF{}", 0), "start with '{'");
  expect_rejected(file_of("{}\n", 0), "end with '}' and spaces");
  expect_rejected(file_of("{} x", 0), "end with '}' and spaces");
  expect_rejected(file_of("{", 0), "end with '}' and spaces");
  expect_rejected(file_of("{}{}", 0), "not valid JSON at byte");
  expect_rejected(file_of("{}}", 0), "not valid JSON at byte");
  expect_rejected(file_of(std::string("{}\0 garbage }", 13), 0), "zero byte");
  expect_rejected(file_of("{\"\xFF\":{}}", 0), "not valid JSON");
  expect_rejected(file_of("{/*c*/}", 0), "not valid JSON");
  expect_rejected(file_of("{'a':{}}", 0), "not valid JSON");
}

TEST(HostileSafetensors, DepthBombs) {
  std::string objects = "{\"a\":{";
  for (int i = 0; i < 1'000'000; ++i) objects += "\"dtype\":{";
  expect_rejected(file_of(objects + "}", 0), "an object");
  const std::string tensor = R"({"a":{"dtype":"U8","shape":)";
  expect_rejected(file_of(tensor + std::string(1'000'000, '[') + "}", 0), "an array");
  expect_rejected(file_of(R"({"__metadata__":{"a":{}}})", 0), "an object");
}

TEST(HostileSafetensors, OffsetsAndShapes) {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}";
  };
  const auto one = [&](const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
    return file_of("{\"a\":" + tensor(dtype, shape, offsets) + "}", 8);
  };
  EXPECT_TRUE(parses_or_is_refused(one("U8", "[8]", "[0,8]")));
  EXPECT_TRUE(parses_or_is_refused(one("I64", "[]", "[0,8]")));
  expect_rejected(one("U8", "[8]", "[8,0]"), "ends before it begins");
  expect_rejected(one("U8", "[8]", "[0,9]"), "ends at byte 9");
  expect_rejected(one("U8", "[8]", "[0,18446744073709551615]"), "ends at byte");
  expect_rejected(one("U8", "[8]", "[0,18446744073709551616]"), "not a 64-bit integer");
  expect_rejected(one("U8", "[8]", "[-1,8]"), "a negative number");
  expect_rejected(one("U8", "[8]", "[0.0,8]"), "not a 64-bit integer");
  expect_rejected(one("U8", "[8]", "[0]"), "two data_offsets");
  expect_rejected(one("U8", "[8]", "[0,4,8]"), "more than two");
  expect_rejected(one("U8", "[8]", "[\"0\",8]"), "a string");
  expect_rejected(one("U8", "[4]", "[4,8]"), "a gap");
  expect_rejected(one("U8", "[4]", "[0,4]"), "4 bytes of its data belong to no tensor");
  expect_rejected(one("F32", "[8]", "[0,8]"), "8 bytes where its shape and dtype make 32");
  expect_rejected(one("U8", "[-8]", "[0,8]"), "a negative number");
  expect_rejected(one("U8", "[8.5]", "[0,8]"), "not a 64-bit integer");
  expect_rejected(one("U8", "[null]", "[0,8]"), "null");
  expect_rejected(one("U8", "[true]", "[0,8]"), "a boolean");
  expect_rejected(one("U8", "8", "[0,8]"), "a number");
  expect_rejected(one("F8", "[8]", "[0,8]"), "has the type 'F8', which valley does not read");
  expect_rejected(one("f32", "[2]", "[0,8]"), "has the type 'f32', which valley does not read");
  // The size of an unknown type is unknown, but not its position.
  expect_rejected(one("Q3_K", "[8]", "[0,9]"), "ends at byte 9");
  expect_rejected(one("Q3_K", "[8]", "[1,8]"), "a gap");
  expect_rejected(one("Q3_K", "[4611686018427387904,4]", "[0,8]"), "overflows");
  expect_rejected(one("F4", "[15]", "[0,8]"),
                  "15 elements of 4 bits, which do not fill whole bytes");
  expect_rejected(one("F4", "[18]", "[0,8]"), "8 bytes where its shape and dtype make 9");
  expect_rejected(one("F6_E3M2", "[11]", "[0,8]"), "do not fill whole bytes");
  expect_rejected(one("C64", "[2]", "[0,8]"), "8 bytes where its shape and dtype make 16");
  // Products that overflow to the size of the file.
  expect_rejected(one("U8", "[9223372036854775808,4]", "[0,8]"), "over 2^63 - 1");
  expect_rejected(one("U8", "[4611686018427387904,4]", "[0,0]"), "overflows");
  expect_rejected(one("F64", "[2305843009213693953]", "[0,8]"), "overflows");
  expect_rejected(one("U8", "[0,4611686018427387904,4611686018427387904]", "[0,0]"), "overflows");
  std::string ones = "[1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  expect_rejected(one("U8", ones + "]", "[0,1]"), "more than 64 dimensions");

  const auto two = [&](const std::string& a, const std::string& b) {
    return file_of("{\"a\":" + tensor("U8", "[4]", a) + ",\"b\":" + tensor("U8", "[4]", b) + "}",
                   8);
  };
  EXPECT_TRUE(parses_or_is_refused(two("[4,8]", "[0,4]")));
  expect_rejected(two("[0,4]", "[0,4]"), "'b' overlaps");
  expect_rejected(two("[0,4]", "[2,6]"), "'b' overlaps");
  expect_rejected(two("[0,4]", "[4,9]"), "'b' ends at byte 9");
}

TEST(HostileSafetensors, KeysAndValues) {
  const std::string tensor = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_TRUE(parses_or_is_refused(file_of("{\"a\":" + tensor + "}", 0)));
  expect_rejected(file_of("{\"a\":" + tensor + ",\"a\":" + tensor + "}", 0), "'a' occurs twice");
  // The same name once written with an escape.
  expect_rejected(file_of("{\"a\":" + tensor + ",\"\\u0061\":" + tensor + "}", 0), "twice");
  expect_rejected(
      file_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0),
      "'a' has dtype twice");
  expect_rejected(file_of(R"({"a":{"dtype":"U8","shape":[0]}})", 0), "needs dtype, shape");
  expect_rejected(file_of(R"({"a":{}})", 0), "needs dtype, shape");
  expect_rejected(file_of(R"({"a":{"dtype":"U8","more":1}})", 0), "unknown key 'more'");
  expect_rejected(file_of(R"({"a":{"dtype":1}})", 0), "a number");
  expect_rejected(file_of(R"({"a":[]})", 0), "'a' is an array, not an object");
  expect_rejected(file_of(R"({"a":1})", 0), "'a' is a number, not an object");
  expect_rejected(file_of(R"({"a":null})", 0), "'a' is null, not an object");
  expect_rejected(file_of(R"({"__metadata__":{"a":1}})", 0), "'a' of '__metadata__'");
  expect_rejected(file_of(R"({"__metadata__":{"a":null}})", 0), "null");
  expect_rejected(file_of(R"({"__metadata__":{"a":["b"]}})", 0), "an array");
  expect_rejected(file_of(R"({"__metadata__":"a"})", 0), "a string, not an object");
  expect_rejected(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0), "metadata holds 'a' twice");
  expect_rejected(file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), "twice");
}

TEST(HostileSafetensors, BooleansOtherThanZeroAndOne) {
  const std::string header = R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  EXPECT_TRUE(
      parses_or_is_refused(with_length(header.size(), header + std::string("\x00\x01", 2))));
  expect_rejected(with_length(header.size(), header + "\x01\x02"),
                  "holds a byte other than 0 and 1");
}

TEST(HostileSafetensors, MessagesEscapeControlCharactersAndTruncateNames) {
  const std::string escape = R"({"\u001b[2J\n":1})";
  expect_rejected(file_of(escape, 0), "'\\x1b[2J\\x0a'");
  try {
    static_cast<void>(parse_safetensors(
        as_bytes(file_of("{\"" + std::string(1'000'000, 'n') + "\":1}", 0)), "weights.bin"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 300U);
  }
}

}  // namespace
}  // namespace valley
