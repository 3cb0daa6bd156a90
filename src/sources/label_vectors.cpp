#include "sources/label_vectors.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/text.h"
#include "sources/label_table.h"
#include "sources/labels.h"

namespace valley {
namespace {

std::vector<std::string> split_columns(std::string_view text) {
  std::vector<std::string> columns;
  while (!text.empty()) {
    const auto comma = text.find(',');
    columns.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return columns;
}

float vector_value(const LabelTable& table, std::size_t row, std::size_t column) {
  const std::string& text = table.rows[row][column];
  float value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc() && end == text.data() + text.size() && std::isfinite(value))
    return value;
  throw Error(ExitCode::kData,
              "{}: column \"{}\" of \"{}\" is \"{}\", which is not a finite number; correct it, or "
              "name other columns with --label-vectors csv:FILE:COLUMN,COLUMN",
              table.file, table.columns[column], table.paths[row], text.substr(0, 60));
}

}  // namespace

LabelVectorOptions parse_label_vectors(const std::string& text) {
  if (!text.starts_with("csv:") || text.size() == std::string_view("csv:").size())
    throw Error(ExitCode::kUsage,
                "--label-vectors {}: must be csv:FILE or csv:FILE:COLUMN,COLUMN,...", text);
  const LabelOptions table = parse_labels(text);
  return {table.file, split_columns(table.column)};
}

LabelVectors::LabelVectors(std::unique_ptr<ImageSource> source, const LabelVectorOptions& options)
    : WrappedSource(std::move(source)) {
  const LabelTable table = read_label_table(options.file);
  names_ = options.columns.empty() ? table.columns : options.columns;
  std::vector<std::size_t> columns;
  for (const std::string& name : names_) columns.push_back(table.column(name));
  std::unordered_map<std::string, std::size_t> rows;
  for (std::size_t row = 0; row < table.paths.size(); ++row)
    rows.emplace(escaped_name(table.paths[row]), row);
  std::vector<std::string> missing;
  for (std::uint64_t i = 0; i < this->source().size(); ++i) {
    const auto row = rows.find(this->source().name(i));
    if (row == rows.end()) {
      missing.push_back(this->source().name(i));
      continue;
    }
    for (const std::size_t column : columns)
      values_.push_back(vector_value(table, row->second, column));
  }
  if (!missing.empty())
    throw Error(ExitCode::kData,
                "{}: {} of {} images have no row, such as \"{}\"; its paths are like \"{}\": add "
                "the rows, or remove the images",
                table.file, missing.size(), this->source().size(), missing.front(),
                escaped_name(table.paths.front()));
}

std::vector<float> LabelVectors::label_vector(std::uint64_t index) const {
  const auto first = values_.begin() + static_cast<std::ptrdiff_t>(index * names_.size());
  return {first, first + static_cast<std::ptrdiff_t>(names_.size())};
}

std::string LabelVectors::identity_json() const {
  return write_json(nlohmann::ordered_json{
      {"kind", "label vectors"},
      {"names", names_},
      {"sha256_of_vectors", sha256_hex(std::as_bytes(std::span(values_)))},
      {"source", parse_json<nlohmann::ordered_json>(source().identity_json(), "the source")}});
}

}  // namespace valley
