#include "sources/label_table.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/numbers.h"
#include "core/read_file.h"
#include "core/text.h"

namespace valley {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Reads rows of fields. Lines end in LF or CR LF; quoted fields may contain them.
class Rows {
 public:
  Rows(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    const std::string_view first = text_.substr(0, text_.find('\n'));
    separator_ = first.find('\t') != std::string_view::npos  ? '\t'
                 : first.find(',') != std::string_view::npos ? ','
                                                             : ' ';
  }
  // The fields of the next line that is not empty; nothing at the end.
  [[nodiscard]] std::optional<std::vector<std::string>> next();
  [[nodiscard]] bool has_spaces() const { return separator_ == ' '; }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::kData, "{}, line {}: {}", name_, line_, what);
  }

 private:
  [[nodiscard]] std::string quoted();
  [[nodiscard]] std::string plain();
  [[nodiscard]] bool at_end_of_line() const {
    return text_.empty() || text_[0] == '\n' || text_.starts_with("\r\n") || text_ == "\r";
  }
  void skip_spaces() {
    while (has_spaces() && !text_.empty() && text_[0] == ' ') text_.remove_prefix(1);
  }
  void skip_end_of_line() {
    if (text_.starts_with('\r')) text_.remove_prefix(1);
    if (text_.starts_with('\n')) text_.remove_prefix(1);
  }

  std::string_view text_;
  std::string name_;
  char separator_;
  std::size_t next_line_ = 1;
  std::size_t line_ = 0;  // of the row that was read last
};

std::string Rows::quoted() {
  std::string field;
  text_.remove_prefix(1);
  while (true) {
    const auto quote = text_.find('"');
    if (quote == std::string_view::npos) fail("a quoted value does not end");
    next_line_ += static_cast<std::size_t>(
        std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(quote), '\n'));
    field += text_.substr(0, quote);
    text_.remove_prefix(quote + 1);
    if (!text_.starts_with('"')) return field;
    field += '"';
    text_.remove_prefix(1);
  }
}

std::string Rows::plain() {
  std::size_t end = 0;
  while (end < text_.size() && text_[end] != separator_ && text_[end] != '\n') ++end;
  std::string field(text_.substr(0, end));
  text_.remove_prefix(end);
  if (at_end_of_line() && field.ends_with('\r')) field.pop_back();
  return field;
}

std::optional<std::vector<std::string>> Rows::next() {
  std::vector<std::string> fields;
  while (fields.empty()) {
    if (text_.empty()) return std::nullopt;
    line_ = next_line_;
    skip_spaces();
    while (!at_end_of_line()) {
      fields.push_back(text_[0] == '"' && !has_spaces() ? quoted() : plain());
      skip_spaces();
      if (at_end_of_line()) break;
      if (has_spaces()) continue;
      if (text_[0] != separator_) fail("text follows a quoted value");
      text_.remove_prefix(1);
      if (at_end_of_line()) fields.emplace_back();  // an empty last field
    }
    skip_end_of_line();
    ++next_line_;
  }
  return fields;
}

}  // namespace

std::size_t LabelTable::column(const std::string& name) const {
  const auto found = std::ranges::find(columns, name);
  if (found != columns.end()) return static_cast<std::size_t>(found - columns.begin());
  constexpr std::size_t kShown = 20;
  throw Error(ExitCode::kData, "{} has no column \"{}\"; it has {}", file, name,
              join_up_to(kShown, columns));
}

LabelTable parse_label_table(std::string_view text, const std::string& name) {
  if (!is_utf8(text)) throw Error(ExitCode::kData, "{}: it is not UTF-8 text", name);
  Rows rows(text, name);
  LabelTable table;
  table.file = name;
  std::optional<std::vector<std::string>> header = rows.next();
  std::optional<std::uint64_t> count;
  if (header && rows.has_spaces() && header->size() == 1 && is_number(header->front())) {
    count = std::stoull(header->front().substr(0, 18));
    header = rows.next();
  }
  if (!header) throw Error(ExitCode::kData, "{}: it has no line of column names", name);
  // CelebA names its attributes only.
  if (!count) header->erase(header->begin());
  table.columns = *std::move(header);
  if (table.columns.empty())
    throw Error(ExitCode::kData,
                "{}: it has one column; expected paths of images, then at least one column of "
                "values",
                name);
  std::unordered_set<std::string> seen;
  while (std::optional<std::vector<std::string>> row = rows.next()) {
    if (row->size() != table.columns.size() + 1)
      rows.fail(
          fmt::format("{} values in a table of {} columns", row->size(), table.columns.size() + 1));
    std::string path = std::move(row->front());
    if (path.starts_with("./")) path.erase(0, 2);
    if (!seen.insert(path).second) rows.fail(fmt::format("\"{}\" stands twice", path));
    row->erase(row->begin());
    table.paths.push_back(std::move(path));
    table.rows.push_back(*std::move(row));
  }
  if (table.paths.empty()) throw Error(ExitCode::kData, "{}: it has no row", name);
  if (count && *count != table.paths.size())
    throw Error(ExitCode::kData, "{}: its first line says {} rows, and it has {}", name, *count,
                table.paths.size());
  return table;
}

LabelTable read_label_table(const std::filesystem::path& file) {
  return parse_label_table(read_file(file, {.takes_pipes = true}), file.string());
}

ColumnClasses classes_of_column(const LabelTable& table, std::size_t column) {
  std::vector<std::string> values;
  for (const std::vector<std::string>& row : table.rows) values.push_back(row[column]);
  ColumnClasses classes;
  std::set<std::int64_t> numbers;
  std::map<std::string_view, std::int64_t> known;
  for (const std::string& value : values) {
    if (value.empty()) continue;
    known[value] = 0;
    if (const auto number = parse_number<std::int64_t>(value)) numbers.insert(*number);
  }
  const bool are_numbers = std::ranges::all_of(known, [](const auto& entry) {
    return parse_number<std::int64_t>(std::string(entry.first)).has_value();
  });
  const bool are_signs = are_numbers && numbers == std::set<std::int64_t>{-1, 1};
  if (are_numbers && !are_signs && !numbers.empty() &&
      (*numbers.begin() < 0 || *numbers.rbegin() > INT32_MAX))
    throw Error(ExitCode::kData,
                "{}: column \"{}\" has the class {}; classes go from 0 to 2147483647", table.file,
                table.columns[column], *numbers.begin() < 0 ? *numbers.begin() : *numbers.rbegin());
  std::int64_t next = 0;
  for (auto& [name, number] : known) {
    number = next++;
    if (!are_numbers) classes.names.push_back(escaped_name(name));
  }
  for (const std::string& value : values) {
    if (value.empty()) {
      classes.of.push_back(-1);
    } else if (are_signs) {
      classes.of.push_back(value == "-1" ? 0 : 1);
    } else {
      classes.of.push_back(are_numbers ? *parse_number<std::int64_t>(value) : known[value]);
    }
  }
  return classes;
}

}  // namespace valley
