// Tables of paths and values: CSV (RFC 4180), TSV, and CelebA's list_attr_celeba.txt.
//
// A table has a line of column names and a row per image, whose first column is its path. The
// separator is a tab if the first line has one, else a comma; without either, values are separated
// by spaces, and a first line with a number alone is CelebA's count of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

struct LabelTable {
  std::string file;                            // for messages
  std::vector<std::string> columns;            // names, without that of the paths
  std::vector<std::string> paths;              // unique
  std::vector<std::vector<std::string>> rows;  // [paths][columns]

  // Index of a column. Error kData naming the columns if there is none of this name.
  [[nodiscard]] std::size_t column(const std::string& name) const;
};

// Classes of the values of a column. Values that are all whole numbers are classes themselves, with
// 0 and 1 for -1 and 1; others are names, numbered in the order of their bytes.
struct ColumnClasses {
  std::vector<std::int64_t> of;    // of each row; -1: an empty value, no label
  std::vector<std::string> names;  // empty if the values are numbers
};
// Error kData for numbers that are not classes from 0 to 2147483647.
[[nodiscard]] ColumnClasses classes_of_column(const LabelTable& table, std::size_t column);

// Errors: kMissingInput; kData naming the line for rows of another length, open quotes, a path that
// stands twice, and tables without rows or columns.
[[nodiscard]] LabelTable read_label_table(const std::filesystem::path& file);
[[nodiscard]] LabelTable parse_label_table(std::string_view text, const std::string& name);

}  // namespace valley
