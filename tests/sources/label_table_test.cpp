#include "sources/label_table.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string message(const std::string& text) {
  try {
    static_cast<void>(parse_label_table(text, "t.csv"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    return error.what();
  }
  return "none";
}

TEST(LabelTable, CsvHasQuotedValuesAndBothLineEnds) {
  const LabelTable table = parse_label_table(
      "\xEF\xBB\xBFpath,class,note\r\n./a.png,cat,\"one, \"\"two\"\"\nthree\"\r\nb.png,dog,\n",
      "t");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"class", "note"}));
  EXPECT_EQ(table.paths, (std::vector<std::string>{"a.png", "b.png"}));
  EXPECT_EQ(table.rows, (Rows{{"cat", "one, \"two\"\nthree"}, {"dog", ""}}));
}

TEST(LabelTable, TabsWinOverCommas) {
  const LabelTable table = parse_label_table("file\tname\na,b.png\tx, y\n", "t");
  EXPECT_EQ(table.paths, (std::vector<std::string>{"a,b.png"}));
  EXPECT_EQ(table.rows, (Rows{{"x, y"}}));
}

TEST(LabelTable, CelebaHasACountAndNamesOfAttributesOnly) {
  const LabelTable table = parse_label_table("2\nBald Young \n1.jpg -1  1\n2.jpg  1 -1\n", "t");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"Bald", "Young"}));
  EXPECT_EQ(table.rows, (Rows{{"-1", "1"}, {"1", "-1"}}));
  EXPECT_EQ(classes_of_column(table, 1).of, (std::vector<std::int64_t>{1, 0}));
}

TEST(LabelTable, NamesAreNumberedByTheirBytes) {
  const LabelTable table = parse_label_table("f,c\n1,dog\n2,cat\n3,\n4,Eel\n", "t");
  const ColumnClasses classes = classes_of_column(table, 0);
  EXPECT_EQ(classes.of, (std::vector<std::int64_t>{2, 1, -1, 0}));
  EXPECT_EQ(classes.names, (std::vector<std::string>{"Eel", "cat", "dog"}));
}

TEST(LabelTable, NumbersAreClasses) {
  const ColumnClasses classes = classes_of_column(parse_label_table("f,c\n1,7\n2,0\n", "t"), 0);
  EXPECT_EQ(classes.of, (std::vector<std::int64_t>{7, 0}));
  EXPECT_TRUE(classes.names.empty());
  EXPECT_THROW(static_cast<void>(classes_of_column(parse_label_table("f,c\n1,-7\n2,0\n", "t"), 0)),
               Error);
}

TEST(LabelTable, ErrorsNameTheLine) {
  EXPECT_NE(message("f,c\na,1\nb\n").find("t.csv, line 3: 1 values in a table of 2 columns"),
            std::string::npos);
  EXPECT_NE(message("f,c\na,\"1\n").find("line 2: a quoted value does not end"), std::string::npos);
  EXPECT_NE(message("f,c\na,1\na,2\n").find("line 3: \"a\" stands twice"), std::string::npos);
  EXPECT_NE(message("3\nc\na 1\n").find("its first line says 3 rows, and it has 1"),
            std::string::npos);
  EXPECT_NE(message("f,c\n").find("it has no row"), std::string::npos);
  EXPECT_NE(message("").find("no line of column names"), std::string::npos);
  EXPECT_NE(message("f,c\na,\xFF\n").find("not UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace valley
