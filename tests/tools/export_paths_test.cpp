#include "tools/export_paths.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace valley {
namespace {

using Names = std::vector<std::string>;

TEST(ExportPaths, SafeNamesStay) {
  const Names names{"a.png", "b/c d.png", "b/\xC3\xBC.PNG", "U+1F600.png"};
  EXPECT_EQ(export_paths(names), names);
}

TEST(ExportPaths, OtherEndingsBecomePng) {
  EXPECT_EQ(export_paths({"a.jpg", "b.JPEG", "U+263A", "c.d"}),
            (Names{"a.png", "b.png", "U+263A.png", "c.d.png"}));
}

TEST(ExportPaths, NamesThatLeadOutOrAreHiddenAreReplaced) {
  EXPECT_EQ(export_paths({"../a.png", "/b.png", ".c/d.png", "e/./f.png", "__MACOSX/g.png"}),
            (Names{"__/a.png", "_/b.png", "_c/d.png", "e/_/f.png", "_MACOSX/g.png"}));
}

TEST(ExportPaths, CharactersOfOtherSystemsAreReplaced) {
  EXPECT_EQ(export_paths({"a\\x:*?\"<>|.png", "b./c .png"}),
            (Names{"a_x_______.png", "b_/c .png"}));
}

TEST(ExportPaths, CollisionsGetNumbersAndSafeNamesWin) {
  EXPECT_EQ(export_paths({"a.jpg", "A.png", "a.png", "a.webp"}),
            (Names{"a-2.png", "A.png", "a-3.png", "a-4.png"}));
}

TEST(ExportPaths, FileIsNeverTheFolderOfAnother) {
  EXPECT_EQ(export_paths({"x.png/y.png", "x.png"}), (Names{"x.png/y.png", "x-2.png"}));
  EXPECT_EQ(export_paths({"x.png", "x.png/y.png"}), (Names{"x.png", "image-00000001-1000.png"}));
}

TEST(ExportPaths, LongPartsAreCutBetweenCharacters) {
  std::string name(199, 'a');
  name += "\xC3\xBC";
  std::string expected(199, 'a');
  expected += ".png";
  EXPECT_EQ(export_paths({name + ".jpg"}).front(), expected);
}

}  // namespace
}  // namespace valley
