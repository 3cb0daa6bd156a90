#include "tools/zip_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sources/zip_file.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// libzip reads what the writer wrote.
TEST(ZipWriter, MoreThan65535MembersAreReadByLibzip) {
  const fs::path path = fs::path(testing::TempDir()) / "many.zip";
  constexpr std::uint64_t kMembers = 70'000;
  {
    ZipWriter zip(path);
    for (std::uint64_t i = 0; i < kMembers; ++i) zip.add(std::to_string(i), "content");
    EXPECT_FALSE(fs::exists(path));
    const std::uint64_t bytes = zip.commit();
    EXPECT_EQ(bytes, fs::file_size(path));
  }
  const ZipFile read(path);
  ASSERT_EQ(read.size(), kMembers);
  std::string content;
  EXPECT_FALSE(read.read(kMembers - 1, 7, content));
  EXPECT_EQ(content, "content");
  EXPECT_EQ(read.member(kMembers - 1).path, "69999");
  fs::remove(path);
}

TEST(ZipWriter, MemberInPiecesHasTheChecksumOfTheWhole) {
  const fs::path path = fs::path(testing::TempDir()) / "pieces.zip";
  {
    ZipWriter zip(path);
    zip.add("first", "");
    zip.begin("pieces", 6);
    zip.write(as_bytes("abc"));
    zip.write(as_bytes("def"));
    zip.end();
    zip.add("last", "x");
    zip.commit();
  }
  const ZipFile read(path);
  ASSERT_EQ(read.size(), 3U);
  std::string content;
  EXPECT_FALSE(read.read(1, 6, content));
  EXPECT_EQ(content, "abcdef");
  EXPECT_TRUE(read.member(1).is_stored);
  fs::remove(path);
}

}  // namespace
}  // namespace valley
