#include "core/json_text.h"

#include <algorithm>
#include <optional>

#include "core/text.h"

namespace valley {
namespace {

constexpr const char* kTooDeep = "it has more than 200 levels of nested arrays and objects";
static_assert(kMaxJsonDepth == 200, "the message names the limit");

// A fault: its byte and a description.
struct JsonFault {
  std::size_t byte = 0;
  std::string what;
};

std::optional<JsonFault> find_fault_before_parsing(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // The parser takes a zero byte for the end of its input.
    if (c == '\0') return JsonFault{i, "it holds a zero byte"};
    if (in_string) {
      if (c == '\\' && i + 1 < text.size() && text[i + 1] != '\0') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return JsonFault{i, kTooDeep};
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

// "[json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing
// array - unexpected ']'; expected ..." without the position, which the message has already.
std::string short_reason(const std::string& message) {
  const std::size_t dash = message.find(" - ");
  if (dash != std::string::npos) return message.substr(dash + 3);
  const std::size_t bracket = message.find("] ");
  return bracket == std::string::npos ? message : message.substr(bracket + 2);
}

// Discards values and records where and why parsing ended.
class FaultFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::optional<JsonFault> fault;

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return true; }
  bool key(string_t& /*value*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    fault = JsonFault{position == 0 ? 0 : position - 1, short_reason(error.what())};
    return false;
  }
};

bool follows_comma(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const std::size_t last = before.find_last_not_of(" \t\r\n");
  return last != std::string_view::npos && before[last] == ',';
}

std::string advice_for(std::string_view text, const JsonFault& fault) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return "the file is empty: write it again";
  const bool is_bracket =
      fault.byte < text.size() && (text[fault.byte] == ']' || text[fault.byte] == '}');
  if (is_bracket && follows_comma(text, fault.byte)) return "remove the comma before it";
  return "correct the file there, or write it again";
}

}  // namespace

bool is_parsable_json(std::string_view text) { return !find_fault_before_parsing(text); }

Error json_error(std::string_view text, const std::string& file) {
  std::optional<JsonFault> fault = find_fault_before_parsing(text);
  if (!fault) {
    FaultFinder finder;
    nlohmann::json::sax_parse(text.begin(), text.end(), &finder);
    fault = finder.fault.value_or(JsonFault{0, "it cannot be parsed"});
  }
  const std::string_view before = text.substr(0, std::min(fault->byte, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column =
      columns(newline == std::string_view::npos ? before : before.substr(newline + 1)) + 1;
  return {
      ExitCode::kData,         "{}:{}:{}: not valid JSON: {}; {}", file, line, column, fault->what,
      advice_for(text, *fault)};
}

std::string json_string(std::string_view text) { return write_json(nlohmann::json(text)); }

void print_json_text(std::string_view json) {
  // Control characters and DEL occur in strings only, where \u escapes mean the same.
  std::string text;
  for (const char c : json) {
    if (c == '\x7F')
      text += "\\u007F";
    else
      text += c;
  }
  fmt::print("{}{}", printable(text), text.ends_with('\n') ? "" : "\n");
}

}  // namespace valley
