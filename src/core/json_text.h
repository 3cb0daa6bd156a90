// All parsing and writing of JSON.
//
// Parsing limits the depth, because the library copies, compares and writes values recursively.
// Writing never fails on bytes that are not UTF-8.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/error.h"

namespace valley {

inline constexpr std::size_t kMaxJsonDepth = 200;  // arrays and objects inside one another

// Reports why `text` is not JSON of at most kMaxJsonDepth levels:
// "FILE:3:7: not valid JSON: unexpected ']'; ...". Lines and columns (characters) count from 1.
[[nodiscard]] Error json_error(std::string_view text, const std::string& file);

[[nodiscard]] bool is_parsable_json(std::string_view text);  // depth and zero bytes only

// `text` as a JSON value; a discarded value (is_discarded()) where it is not JSON or too deep.
template <typename Json = nlohmann::json>
[[nodiscard]] Json try_parse_json(std::string_view text) {
  if (!is_parsable_json(text)) return Json(nlohmann::json::value_t::discarded);
  return Json::parse(text.begin(), text.end(), nullptr, false);
}

// `text` of `file` as a JSON value, or json_error (kData).
template <typename Json = nlohmann::json>
[[nodiscard]] Json parse_json(std::string_view text, const std::string& file) {
  Json value = try_parse_json<Json>(text);
  if (value.is_discarded()) throw json_error(text, file);
  return value;
}

// `indent` < 0: on one line. Bytes that are not UTF-8 become U+FFFD.
template <typename Json>
[[nodiscard]] std::string write_json(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

[[nodiscard]] std::string json_string(std::string_view text);  // quoted and escaped

// Prints to standard output with a newline at the end. Characters that a terminal would interpret
// as commands become \u escapes, which are equivalent in JSON.
void print_json_text(std::string_view json);

}  // namespace valley
