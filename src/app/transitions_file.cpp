#include "app/transitions_file.h"

#include <ATen/ops/empty.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"

namespace valley::app {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

double energy_of(std::string_view text, const std::string& where) {
  const std::string_view word = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || std::isnan(value) ||
      value == -INFINITY) {
    throw Error(ExitCode::kData, "{}: \"{}\" is no energy: a number, or inf", where, word);
  }
  return value;
}

}  // namespace

at::Tensor read_transitions(const std::filesystem::path& file, std::int64_t classes) {
  const std::string text = read_file(file);
  const at::Tensor all = at::empty({classes, classes}, at::kDouble);
  double* to = all.mutable_data_ptr<double>();
  std::string_view rest = text;
  std::int64_t line = 0;
  while (!rest.empty()) {
    std::string_view row = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(row.size() + 1, rest.size()));
    if (trimmed(row).empty()) continue;
    const std::string where = fmt::format("{}:{}", file.string(), ++line);
    if (line > classes)
      throw Error(ExitCode::kData, "{}: the model has {} classes, a line each", where, classes);
    for (std::int64_t column = 0; column < classes; ++column) {
      const std::string_view word = row.substr(0, row.find(','));
      if (row.data() == nullptr)
        throw Error(ExitCode::kData, "{}: {} numbers, where the model has {} classes", where,
                    column, classes);
      *to++ = energy_of(word, where);
      row = word.size() == row.size() ? std::string_view() : row.substr(word.size() + 1);
    }
    if (row.data() != nullptr)
      throw Error(ExitCode::kData, "{}: more numbers than the {} classes of the model", where,
                  classes);
  }
  if (line < classes)
    throw Error(ExitCode::kData, "{}: {} lines, where the model has {} classes", file.string(),
                line, classes);
  return all;
}

}  // namespace valley::app
