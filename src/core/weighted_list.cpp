#include "core/weighted_list.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <set>

#include "core/config.h"
#include "core/error.h"
#include "core/toml_text.h"

namespace valley {
namespace {

constexpr const char* kForm = "write a text, or a list like [[\"a\", 0.7], [\"b\", 0.3]]";

std::optional<WeightedText> parse_element(const toml::node& node) {
  const toml::array* pair = node.as_array();
  if (pair == nullptr || pair->size() != 2) return std::nullopt;
  const auto text = (*pair)[0].value_exact<std::string>();
  const auto weight = (*pair)[1].is_number() ? (*pair)[1].value<double>() : std::nullopt;
  if (!text || !weight) return std::nullopt;
  return WeightedText{*text, *weight};
}

}  // namespace

bool is_weighted_list(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '[') return false;
  const std::size_t second = text.find_first_not_of(" \t\r\n", first + 1);
  return second != std::string_view::npos && (text[second] == '[' || text[second] == ']');
}

std::vector<WeightedText> parse_weighted_list(const std::string& text, const std::string& where) {
  if (!is_weighted_list(text)) return {{text, 1}};
  const toml::table parsed = parse_toml("value = " + text, where);
  const toml::array* array = parsed.get("value")->as_array();
  std::vector<WeightedText> list;
  std::set<std::string> texts;
  double sum = 0;
  for (const toml::node& node : *array) {
    const std::optional<WeightedText> element = parse_element(node);
    if (!element)
      throw Error(ExitCode::kConfig, "{}: element {} of the list is not [text, weight]; {}", where,
                  list.size() + 1, kForm);
    if (element->text.empty() || !texts.insert(element->text).second)
      throw Error(ExitCode::kConfig, "{}: the list has \"{}\" {}; write each text once", where,
                  element->text, element->text.empty() ? "as a text" : "twice");
    if (!std::isfinite(element->weight) || element->weight <= 0)
      throw Error(ExitCode::kConfig, "{}: the weight of \"{}\" is {}; it must be above 0", where,
                  element->text, element->weight);
    sum += element->weight;
    list.push_back(*element);
  }
  if (list.empty() || !std::isfinite(sum))
    throw Error(ExitCode::kConfig, "{}: the list is {}; {}", where,
                list.empty() ? "empty" : "too large in sum", kForm);
  return list;
}

std::string to_toml(const std::vector<WeightedText>& list) {
  std::string text;
  for (const WeightedText& element : list)
    text += fmt::format("{}[{}, {}]", text.empty() ? "" : ", ", toml_string(element.text),
                        element.weight);
  return "[" + text + "]";
}

}  // namespace valley
