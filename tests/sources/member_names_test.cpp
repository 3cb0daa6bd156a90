#include "sources/member_names.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

TEST(MemberNames, BracesAreExpanded) {
  EXPECT_EQ(expand_braces("a-{08..11}.tar"),
            (std::vector<std::string>{"a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"}));
  EXPECT_EQ(expand_braces("{x,yz}/{0..1}"),
            (std::vector<std::string>{"x/0", "x/1", "yz/0", "yz/1"}));
  EXPECT_EQ(expand_braces("plain.tar"), std::vector<std::string>{"plain.tar"});
  for (const char* wrong : {"a{0..1", "a{3..1}", "a{x..y}", "a{0..99999999}"})
    EXPECT_THROW(static_cast<void>(expand_braces(wrong)), Error) << wrong;
}

TEST(MemberNames, PathsThatLeadOutOfTheArchiveAreRejected) {
  for (const char* path : {"", "/a.png", "../a.png", "a/../../b.png", "a/.."})
    EXPECT_TRUE(reject_unsafe(path)) << path;
  for (const char* path : {"a.png", "a..b/c.png", "a/b...png"})
    EXPECT_FALSE(reject_unsafe(path)) << path;
  EXPECT_EQ(clean_path("././a.png"), "a.png");
}

TEST(MemberNames, HiddenPartsAreFound) {
  for (const char* path : {".a.png", "x/.git/a.png", "__MACOSX/a.png"})
    EXPECT_TRUE(is_hidden(path)) << path;
  EXPECT_FALSE(is_hidden("a/b.png"));
}

TEST(MemberNames, KeyOfASampleEndsAtTheFirstDotOfTheLastPart) {
  EXPECT_EQ(sample_key("a.b/c.seg.png"), "a.b/c");
  EXPECT_EQ(sample_key("000012.png"), "000012");
  EXPECT_EQ(sample_key("none"), "none");
}

TEST(MemberNames, RepeatedPathsAreRejectsAfterTheFirst) {
  std::vector<FileEntry> entries = {{"b", 1}, {"a", 2}, {"b", 3}};
  EXPECT_EQ(sort_entries(entries), (std::vector<std::size_t>{1, 0, 2}));
  EXPECT_FALSE(entries[1].reject);
  EXPECT_EQ(entries[1].bytes, 1);
  ASSERT_TRUE(entries[2].reject);
  EXPECT_EQ(entries[2].reject->reason, "duplicate path");
}

}  // namespace
}  // namespace valley
