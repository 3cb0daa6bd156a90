#include "core/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "helpers.h"

namespace valley {
namespace {

std::vector<std::byte> noise(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(mix64(i) & 0xFFU);
  return bytes;
}

using Crc = std::uint32_t (*)(Bytes, std::uint32_t);

class Crc32cForms : public ::testing::TestWithParam<Crc> {};
INSTANTIATE_TEST_SUITE_P(Both, Crc32cForms, ::testing::Values(&crc32c, &crc32c_software),
                         [](const auto& param) {
                           return param.index == 0 ? "Processor" : "Software";
                         });

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST_P(Crc32cForms, KnownVectors) {
  const Crc crc = GetParam();
  std::vector<std::byte> bytes(32, std::byte{0});
  EXPECT_EQ(crc(bytes, 0), 0x8A9136AAU);
  std::fill(bytes.begin(), bytes.end(), std::byte{0xFF});
  EXPECT_EQ(crc(bytes, 0), 0x62A8AB43U);
  for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc(bytes, 0), 0x46DD794EU);
  std::reverse(bytes.begin(), bytes.end());
  EXPECT_EQ(crc(bytes, 0), 0x113FDB5CU);
  EXPECT_EQ(crc(as_bytes("123456789"), 0), 0xE3069283U);
}

TEST_P(Crc32cForms, EmptyInputKeepsTheChecksum) {
  const Crc crc = GetParam();
  EXPECT_EQ(crc({}, 0), 0U);
  EXPECT_EQ(crc({}, 0xE3069283U), 0xE3069283U);
}

TEST_P(Crc32cForms, PiecesGiveTheHashOfTheWhole) {
  const Crc crc = GetParam();
  const std::vector<std::byte> bytes = noise(40000);
  const Bytes all(bytes);
  const std::uint32_t whole = crc(all, 0);
  for (const std::size_t cut : {1UL, 7UL, 8UL, 4096UL, 12287UL, 12288UL, 24577UL, 39999UL})
    EXPECT_EQ(crc(all.subspan(cut), crc(all.first(cut), 0)), whole) << cut;
}

TEST_P(Crc32cForms, AnyFlippedBitChangesIt) {
  const Crc crc = GetParam();
  std::vector<std::byte> bytes = noise(13000);  // one round of three lanes and a tail
  const std::uint32_t whole = crc(bytes, 0);
  for (std::size_t i = 0; i < bytes.size(); i += 97) {
    bytes[i] ^= std::byte{1};
    EXPECT_NE(crc(bytes, 0), whole) << i;
    bytes[i] ^= std::byte{1};
  }
}

TEST(Crc32c, HardwareEqualsSoftwareAtEveryLengthAndOffset) {
  const std::vector<std::byte> bytes = noise(16 * 4096 + 64);
  const Bytes all(bytes);
  std::vector<std::size_t> lengths(300);
  std::iota(lengths.begin(), lengths.end(), 0UL);
  for (const std::size_t lanes : {1UL, 3UL, 6UL, 9UL, 15UL}) {
    for (std::size_t near = lanes * 4096 - 9; near <= lanes * 4096 + 9; ++near)
      lengths.push_back(near);
  }
  for (const std::size_t offset : {0UL, 1UL, 3UL, 4UL, 7UL, 9UL}) {
    for (const std::size_t length : lengths) {
      const Bytes part = all.subspan(offset, length);
      ASSERT_EQ(crc32c(part), crc32c_software(part)) << offset << " " << length;
      ASSERT_EQ(crc32c(part, 0xDEADBEEFU), crc32c_software(part, 0xDEADBEEFU));
    }
  }
}

// FIPS 180-4 and the vectors that NIST publishes with it.
TEST(Sha256, KnownVectors) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(as_bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(as_bytes(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheHashOfTheWhole) {
  const std::vector<std::byte> bytes = noise(100000);
  Sha256 sha;
  for (std::size_t at = 0; at < bytes.size(); at += 777)
    sha.update(Bytes(bytes).subspan(at, std::min<std::size_t>(777, bytes.size() - at)));
  Sha256 moved = std::move(sha);
  EXPECT_EQ(moved.hex(), sha256_hex(bytes));
}

TEST(Sha256, AFileIsStreamed) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "bytes";
  const std::vector<std::byte> bytes = noise((std::size_t{3} << 20U) + 5);  // over three pieces
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
  EXPECT_EQ(sha256_of_file(path), sha256_hex(bytes));

  write_file(folder.path() / "empty", "");
  EXPECT_EQ(sha256_of_file(folder.path() / "empty"), sha256_hex({}));
}

TEST(Sha256, AMissingFileIsNamed) {
  const Error error = error_of([] { (void)sha256_of_file("nowhere/weights"); });
  EXPECT_EQ(error.code(), ExitCode::kMissingInput);
  EXPECT_TRUE(contains(error.what(), "nowhere/weights")) << error.what();
}

TEST(Sha256, FolderIsRejected) {
  const TemporaryFolder folder;
  const Error error = error_of([&] { (void)sha256_of_file(folder.path()); });
  EXPECT_EQ(error.code(), ExitCode::kMissingInput);
  EXPECT_TRUE(contains(error.what(), folder.path().string())) << error.what();
}

// splitmix64 started at 0 gives the finalizer of the multiples of its increment.
TEST(Mix64, IsTheFinalizerOfSplitmix64) {
  static_assert(mix64(0) == 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(mix64(0x9E3779B97F4A7C15ULL), 0x6E789E6AA1B965F4ULL);
  EXPECT_EQ(mix64(2 * 0x9E3779B97F4A7C15ULL), 0x06C45D188009454FULL);
}

TEST(Hash64, OfNamesIsFnv1aMixed) {
  static_assert(hash64("") == mix64(0xCBF29CE484222325ULL));
  EXPECT_EQ(hash64("a"), mix64(0xAF63DC4C8601EC8CULL));
  EXPECT_EQ(hash64("foobar"), mix64(0x85944171F73967E8ULL));
  EXPECT_EQ(hash64("\xFF"), mix64((0xCBF29CE484222325ULL ^ 0xFFULL) * 0x100000001B3ULL));
}

TEST(Hash64, OfThreeWordsDependsOnTheirOrder) {
  EXPECT_NE(hash64(1, 2, 3), hash64(2, 1, 3));
  EXPECT_NE(hash64(1, 2, 3), hash64(1, 3, 2));
  EXPECT_NE(hash64(0, 0, 0), hash64(0, 0, 1));
}

}  // namespace
}  // namespace valley
