#include "storage/safetensors.h"

#include <ATen/Functions.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/read_file.h"
#include "expect_error.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor dense_a = a.contiguous();
  const at::Tensor dense_b = b.contiguous();
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.numel() == 0 ||
          std::memcmp(dense_a.const_data_ptr(), dense_b.const_data_ptr(), dense_a.nbytes()) == 0);
}

std::string header_of(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  return file.substr(sizeof length, length);
}

TEST(Safetensors, RoundTripOfEveryTypeIsBitwiseEqual) {
  const TemporaryFolder folder;
  TensorFile written;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong,
                                    at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    written.tensors[c10::toString(type)] = at::arange(-3, 12).reshape({3, 5}).to(type);
  }
  written.tensors["not a number"] = at::full({2}, std::nan(""), at::kFloat);
  write_safetensors(folder / "a.safetensors", written);
  const TensorFile read = read_safetensors(folder / "a.safetensors");
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const auto& [name, tensor] : written.tensors)
    EXPECT_TRUE(same_bytes(read.tensors.at(name), tensor)) << name;
}

TEST(Safetensors, RoundTripOfScalarsEmptyTensorsViewsAndUnusualNames) {
  const TemporaryFolder folder;
  const at::Tensor matrix = at::arange(12, at::kFloat).reshape({3, 4});
  TensorFile written;
  written.tensors = {{"scalar", at::scalar_tensor(7, at::kLong)},
                     {"empty", at::empty({0, 3}, at::kFloat)},
                     {"transposed", matrix.t()},
                     {"slice", matrix.slice(1, 1, 3)},
                     {"needs gradient", at::ones({2}, at::kFloat).set_requires_grad(true)},
                     {"quote\" \\ \n \xC3\xA9", at::ones({1}, at::kByte)},
                     {"", at::zeros({1}, at::kByte)}};
  write_safetensors(folder / "a.safetensors", written);
  const TensorFile read = read_safetensors(folder / "a.safetensors");
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const auto& [name, tensor] : written.tensors)
    EXPECT_TRUE(same_bytes(read.tensors.at(name), tensor.detach())) << name;
}

TEST(Safetensors, RoundTripOfMetadataWithoutTensors) {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> metadata = {{"model.name", "began"}, {"b", "\"\n\t"}};
  write_safetensors(folder / "a.safetensors", {{}, metadata});
  const TensorFile read = read_safetensors(folder / "a.safetensors");
  EXPECT_TRUE(read.tensors.empty());
  EXPECT_EQ(read.metadata, metadata);
  write_safetensors(folder / "b.safetensors", {});
  EXPECT_TRUE(read_safetensors(folder / "b.safetensors").metadata.empty());
}

TEST(Safetensors, TheBytesAreThoseOfTheFormat) {
  const TemporaryFolder folder;
  const TensorFile contents = {{{"b", at::ones({1}, at::kByte)},
                                {"a", at::full({3}, 2, at::kByte)},
                                {"c", at::full({1, 1}, 1, at::kFloat)}},
                               {{"z", "1"}, {"y", "2"}}};
  write_safetensors(folder / "a.safetensors", contents);
  const std::string file = read_file(folder / "a.safetensors");
  const std::string header = header_of(file);
  EXPECT_EQ(header.substr(0, header.find_last_not_of(' ') + 1),
            R"({"__metadata__":{"y":"2","z":"1"},)"
            R"("a":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},)"
            R"("b":{"dtype":"U8","shape":[1],"data_offsets":[7,8]},)"
            R"("c":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}})");
  const std::size_t data = 8 + header.size();
  EXPECT_EQ(data % 64, 0U);
  EXPECT_EQ(file.substr(data), std::string("\0\0\x80\x3F\x02\x02\x02\x01", 8));

  write_safetensors(folder / "again.safetensors", contents);
  EXPECT_EQ(read_file(folder / "again.safetensors"), file);
  EXPECT_EQ(safetensors_bytes(contents), file.size());
  std::string streamed;
  stream_safetensors(contents, [&](Bytes bytes) {
    streamed.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  EXPECT_EQ(streamed, file);
}

TEST(Safetensors, DataStartIsAlignedForEveryHeaderLength) {
  for (std::size_t length = 0; length < 130; ++length) {
    std::string file;
    stream_safetensors({{}, {{"k", std::string(length, 'x')}}}, [&](Bytes bytes) {
      file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    EXPECT_EQ(file.size() % 64, 0U);
    EXPECT_EQ(parse_safetensors(as_bytes(file), "f").metadata.at("k").size(), length);
  }
}

TEST(Safetensors, ReadTensorsOwnTheirMemory) {
  std::string file;
  stream_safetensors({{{"a", at::ones({4}, at::kFloat)}}, {}}, [&](Bytes bytes) {
    file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  const TensorFile read = parse_safetensors(as_bytes(file), "f");
  std::fill(file.begin(), file.end(), '\0');
  EXPECT_TRUE(read.tensors.at("a").equal(at::ones({4}, at::kFloat)));
}

TEST(Safetensors, ErrorsNameTheFileOrTensor) {
  const TemporaryFolder folder;
  expect_error(ExitCode::kMissingInput, {"none.safetensors"},
               [&] { static_cast<void>(read_safetensors(folder / "none.safetensors")); });
  expect_error(ExitCode::kMissingInput, {folder.path().string(), "not a file"},
               [&] { static_cast<void>(read_safetensors(folder.path())); });
  expect_error(ExitCode::kCannotWrite, {"absent/a.safetensors"},
               [&] { write_safetensors(folder / "absent/a.safetensors", {}); });
  expect_error(ExitCode::kInternal, {"'w'", "ComplexFloat"}, [&] {
    write_safetensors(folder / "a.safetensors", {{{"w", at::ones({1}, at::kComplexFloat)}}, {}});
  });
  expect_error(ExitCode::kData, {"UTF-8"}, [&] {
    write_safetensors(folder / "a.safetensors", {{}, {{"path", "\xFF"}}});
  });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, RequireTensorNamesTheDifference) {
  const TensorMap tensors = {{"w", at::ones({2, 3})}};
  EXPECT_TRUE(require_tensor(tensors, "w", {2, 3}, "file").equal(tensors.at("w")));
  expect_error(ExitCode::kData, {"file", "'w'", "[2, 3]", "[3, 2]"}, [&] {
    static_cast<void>(require_tensor(tensors, "w", {3, 2}, "file"));
  });
  expect_error(ExitCode::kData, {"file", "'bias'"},
               [&] { static_cast<void>(require_tensor(tensors, "bias", {3}, "file")); });
}

TEST(Safetensors, OutlineDescribesTensorsWithoutReadingThem) {
  const TemporaryFolder folder;
  const TensorFile written{{{"a", at::ones({2, 3})}, {"b", at::ones({4}, at::kDouble)}},
                           {{"k", "v"}}};
  write_safetensors(folder / "a.safetensors", written);
  const TensorFileOutline outline = outline_safetensors(folder / "a.safetensors");
  EXPECT_EQ(outline.metadata, written.metadata);
  ASSERT_EQ(outline.tensors.size(), 2U);
  EXPECT_EQ(outline.tensors.at("a").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(outline.tensors.at("b").type, at::kDouble);
  EXPECT_NO_THROW(require_tensor(outline, "a", {2, 3}, "f"));
  expect_error(ExitCode::kData, {"f", "'a'", "[2, 3]", "[3, 2]"}, [&] {
    require_tensor(outline, "a", {3, 2}, "f");
  });
  expect_error(ExitCode::kData, {"f", "'b'", "F64"},
               [&] { require_tensor(outline, "b", {4}, "f"); });
  expect_error(ExitCode::kData, {"f", "'c'"}, [&] { require_tensor(outline, "c", {4}, "f"); });
}

TEST(Safetensors, OnlyRequestedTensorsAreRead) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors",
                    {{{"a", at::ones({2})}, {"b", at::ones({2})}}, {{"k", "v"}}});
  const TensorFile read = read_safetensors(folder / "a.safetensors",
                                           [](const std::string& name) { return name == "b"; });
  EXPECT_EQ(read.tensors.size(), 1U);
  EXPECT_TRUE(read.tensors.contains("b"));
  EXPECT_EQ(read.metadata.at("k"), "v");
}

// Other programs store such tensors in model files.
TEST(Safetensors, TensorsOfUnsupportedTypesAreSkipped) {
  const std::vector<std::array<std::string, 2>> kinds = {
      {"F8_E4M3", "[8]"}, {"F8_E5M2", "[2,4]"}, {"F8_E8M0", "[8]"}, {"F4", "[16]"},
      {"F6_E2M3", "[8]"}, {"F6_E3M2", "[8]"},   {"U16", "[4]"},     {"U32", "[2]"},
      {"U64", "[1]"},     {"C64", "[1]"},       {"F4", "[0]"},      {"I3_OF_2031", "[21]"}};
  for (const auto& [dtype, shape] : kinds) {
    const std::size_t bytes = shape == "[0]" ? 0 : dtype.starts_with("F6") ? 6 : 8;
    std::string header = fmt::format(
        R"({{"more":{{"dtype":"{}","shape":{},"data_offsets":[4,{}]}},"w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}})",
        dtype, shape, 4 + bytes);
    const std::uint64_t length = header.size();
    std::string file(reinterpret_cast<const char*>(&length), sizeof length);
    file += header + std::string(4 + bytes, '\0');
    const TemporaryFolder folder;
    write_file(folder / "m.safetensors", file);
    const auto read = [&](const char* wanted) {
      return read_safetensors(folder / "m.safetensors",
                              [&](const std::string& name) { return name == wanted; });
    };
    EXPECT_EQ(read("w").tensors.size(), 1U) << dtype;
    EXPECT_EQ(outline_safetensors(folder / "m.safetensors").tensors.at("more").dtype, dtype);
    expect_error(ExitCode::kData,
                 {"m.safetensors", "'more'", "'" + dtype + "'", "convert it to F32"},
                 [&] { static_cast<void>(read("more")); });
  }
}

}  // namespace
}  // namespace valley
