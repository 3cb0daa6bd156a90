// Input of a Schema: a TOML file and overrides, into the bound variables.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/config.h"
#include "core/read_file.h"
#include "core/text.h"
#include "core/toml_text.h"
#include "core/weighted_list.h"

namespace valley {
namespace {

constexpr std::size_t kLongestQuotation = 60;
constexpr double kLargestExactInteger = 0x1p53;
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20U;
constexpr const char* kCommandLine = "command line";

// One key of a file and its value; the key or its section may be unknown.
struct Entry {
  std::string name;
  const toml::node* node;
  toml::source_position position;
};

bool comes_before(const Entry& a, const Entry& b) {
  return std::pair(a.position.line, a.position.column) <
         std::pair(b.position.line, b.position.column);
}

std::string shortened(std::string text) {
  if (text.size() <= kLongestQuotation) return text;
  std::size_t end = kLongestQuotation;
  // Never within a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text + "...";
}

std::string describe_node(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>())
    return "the string " + toml_string(shortened(*text));
  if (node.is_table()) return "a table";
  std::ostringstream stream;
  node.visit([&](const auto& value) { stream << value; });
  const std::string value = shortened(stream.str());
  if (node.is_array()) return "the list " + value;
  if (node.is_integer()) return "the integer " + value;
  if (node.is_floating_point()) return "the number " + value;
  return node.is_boolean() ? value : "the date or time " + value;
}

// Stores one TOML value in the variable of a key, or throws an Error with the reason.
class Assignment {
 public:
  Assignment(const Key& key, const toml::node& node, const std::string& place)
      : key_(key), node_(node), place_(place) {}

  void operator()(bool* target) const { *target = exactly<bool>(); }

  void operator()(std::int64_t* target) const { *target = integer(node_); }

  void operator()(AutoInt* target) const {
    const auto word = node_.value_exact<std::string>();
    if (word == "auto")
      target->reset();
    else
      *target = integer(node_);
  }

  void operator()(double* target) const {
    const double number =
        node_.is_integer() ? static_cast<double>(exactly<std::int64_t>()) : exactly<double>();
    if (!key_.is_within_limits(number)) reject();
    if (std::abs(number) > key_.bound())
      reject(fmt::format("; its absolute value must be at most {:.2g}", key_.bound()));
    *target = number;
  }

  void operator()(AutoDouble* target) const {
    if (node_.value_exact<std::string>() == "auto") {
      target->reset();
      return;
    }
    double number = 0;
    (*this)(&number);
    *target = number;
  }

  void operator()(std::string* target) const {
    *target = key_.takes_weighted_list() ? text_or_list() : text();
  }

  void operator()(const EnumTarget& target) const {
    const std::vector<std::string>& choices = key_.choices();
    target.set(static_cast<std::size_t>(std::ranges::find(choices, text()) - choices.begin()));
  }

  void operator()(std::vector<std::int64_t>* target) const {
    if (!node_.is_array()) reject(": write it as [1, 2]");
    std::vector<std::int64_t> list;
    for (const toml::node& element : *node_.as_array()) list.push_back(integer(element));
    *target = std::move(list);
  }

  // One string is a list of one.
  void operator()(std::vector<std::string>* target) const {
    if (const auto one = node_.value_exact<std::string>()) {
      *target = {*one};
      return;
    }
    if (!node_.is_array()) reject(": write it as [\"a\", \"b\"]");
    std::vector<std::string> list;
    for (const toml::node& element : *node_.as_array()) {
      const auto text = element.value_exact<std::string>();
      if (!text) reject(": write it as [\"a\", \"b\"]");
      list.push_back(*text);
    }
    *target = std::move(list);
  }

 private:
  // A string, which is one of the key's choices if it has any.
  [[nodiscard]] std::string text() const {
    const std::string text = key_.is_switch() ? switch_word() : exactly<std::string>();
    const std::vector<std::string>& choices = key_.choices();
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      const std::string near = nearest_name(text, choices);
      reject(near.empty() ? "" : fmt::format("; did you mean {}?", toml_string(near)));
    }
    return text;
  }

  // A list of the file, or its text from the command line, in one form.
  [[nodiscard]] std::string text_or_list() const {
    std::string text;
    if (node_.is_array()) {
      std::ostringstream stream;
      stream << *node_.as_array();
      text = stream.str();
    } else {
      text = exactly<std::string>();
      if (!is_weighted_list(text)) return text;
    }
    return to_toml(parse_weighted_list(text, fmt::format("{}: {}", place_, key_.name())));
  }

  template <typename T>
  [[nodiscard]] T exactly() const {
    const auto value = node_.value_exact<T>();
    if (!value) reject();
    return *value;
  }

  // true and false, as TOML has them or as the command line's text, as "on" and "off".
  [[nodiscard]] std::string switch_word() const {
    if (const auto value = node_.value_exact<bool>()) return *value ? "on" : "off";
    const auto text = exactly<std::string>();
    return text == "true" ? "on" : text == "false" ? "off" : text;
  }

  [[nodiscard]] std::int64_t integer(const toml::node& node) const {
    const auto value = node.value_exact<std::int64_t>();
    if (!value) reject(integer_hint(node));
    if (!key_.is_within_limits(static_cast<double>(*value))) reject();
    return *value;
  }

  static std::string integer_hint(const toml::node& node) {
    const auto number = node.value_exact<double>();
    if (!number || *number != std::trunc(*number) || std::abs(*number) > kLargestExactInteger)
      return "";
    return fmt::format("; write {}", static_cast<std::int64_t>(*number));
  }

  [[noreturn]] void reject(const std::string& way_out = "") const {
    throw Error(ExitCode::kConfig, "{}: {} takes {}, not {}{}", place_, key_.name(), key_.accepts(),
                describe_node(node_), way_out);
  }

  const Key& key_;
  const toml::node& node_;
  const std::string& place_;
};

// A name that TOML writes without quotes; every key of a schema has such parts.
bool is_bare_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// One part of a dotted name, quoted where TOML needs it: "train.steps" in quotes is one part, not
// the key `steps` of the section `train`.
std::string name_part(std::string_view key) {
  return is_bare_name(key) ? std::string(key) : toml_string(key);
}

// Reason of a parse error, without its position in the text that was made of the value.
std::string error_reason(const Error& error) {
  const std::string what = error.what();
  return what.substr(what.find(": ") + 2);
}

// Value of an override. Text that is not TOML is a string; so is everything without quotes if the
// key holds strings, such as data.path=2024.
toml::table parse_override(const std::string& argument, const std::string& text,
                           bool wants_string) {
  if (!is_utf8(text))
    throw Error(ExitCode::kConfig,
                "{}: {}: the value is not TOML: it holds bytes that are not UTF-8; "
                "rename the file, or make a symbolic link to it",
                kCommandLine, argument);
  std::string reason = "it is more than one value";
  try {
    toml::table parsed = parse_toml("value = " + text, kCommandLine);
    if (parsed.size() == 1 && (!wants_string || parsed.get("value")->is_string())) return parsed;
  } catch (const Error& error) {
    reason = error_reason(error);
  }
  const bool is_quoted = text.starts_with('"') || text.starts_with('\'');
  if (!is_quoted) {
    try {
      return parse_toml("value = " + toml_string(text), kCommandLine);
    } catch (const Error& error) {
      reason = error_reason(error);
    }
  }
  throw Error(ExitCode::kConfig, "{}: {}: the value is not TOML: {}", kCommandLine, argument,
              reason);
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

}  // namespace

struct Schema::TomlNode {
  const toml::node& node;
};

std::string read_config(const std::filesystem::path& file) {
  std::error_code ignored;
  const auto status = std::filesystem::status(file, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_fifo(status)) {
    throw Error(ExitCode::kMissingInput, "{} is {}; name a CONFIG.toml, or a pipe", file.string(),
                std::filesystem::is_directory(status) ? "a directory" : "a device or a socket");
  }
  return read_file(
      file, {.max_bytes = kMaxConfigBytes, .takes_pipes = true, .too_large = ExitCode::kConfig});
}

void Schema::load(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  load_text(read_config(file), file.string(), overrides);
}

void Schema::load_text(const std::string& toml, const std::string& file_name_for_messages,
                       const std::vector<std::string>& overrides) {
  const toml::table parsed = parse_toml(toml, file_name_for_messages);
  std::vector<Entry> entries;
  const auto collect = [this, &entries](const auto& self, const toml::table& table,
                                        const std::string& prefix) -> void {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + name_part(key.str());
      if (node.is_table() && is_section(name))
        self(self, *node.as_table(), name + ".");
      else
        entries.push_back({name, &node, key.source().begin});
    }
  };
  collect(collect, parsed, "");
  // The parser sorts by name; the first mistake to report is the first in the file.
  std::stable_sort(entries.begin(), entries.end(), comes_before);

  for (const Entry& entry : entries) {
    const std::string place = fmt::format("{}:{}", file_name_for_messages, entry.position.line);
    const std::string name = present_name(entry.name, place);
    if (find(name) != nullptr)
      assign(name, TomlNode{*entry.node}, place);
    else if (entry.node->is_table() || entry.node->is_array_of_tables())
      throw unknown_section(entry.name, place);
    else
      throw unknown_key(entry.name, place);
  }
  for (const std::string& argument : overrides) load_override(argument);
}

void Schema::load_override(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  const std::string given = trimmed(argument.substr(0, equals));
  const std::string name = present_name(given, kCommandLine);
  if (equals == std::string::npos || name.empty()) {
    throw Error(ExitCode::kUsage,
                "\"{}\" is not of the form section.key=value, for example train.steps=1000",
                argument);
  }
  const Key* known = find(name);
  if (known == nullptr) throw unknown_key(name, kCommandLine);
  const bool wants_string = known->holds_text();
  const toml::table parsed =
      parse_override(argument, trimmed(argument.substr(equals + 1)), wants_string);
  assign(name, TomlNode{*parsed.get("value")}, kCommandLine);
  drop_alternatives(*known);
}

std::string Schema::present_name(const std::string& name, const std::string& place) {
  const auto found = old_names_.find(name);
  if (found == old_names_.end()) return name;
  deprecations_.push_back(fmt::format("{}: {} is deprecated; use {}", place, name, found->second));
  return found->second;
}

void Schema::drop_alternatives(const Key& chosen) {
  if (chosen.value() == "\"auto\"") return;  // the other keys apply
  for (const std::vector<std::string>& group : alternatives_) {
    if (std::find(group.begin(), group.end(), chosen.name()) == group.end()) continue;
    for (const std::string& other : group) {
      if (other == chosen.name() || !was_given(other) || place(other) == kCommandLine) continue;
      const toml::table parsed = toml::parse("value = " + find(other)->default_value());
      assign(other, TomlNode{*parsed.get("value")}, kCommandLine);
      places_.erase(other);
    }
  }
}

void Schema::assign(const std::string& name, const TomlNode& node, const std::string& place) {
  const Key& known = *find(name);
  for (const Key::Target& target : known.targets_)
    std::visit(Assignment(known, node.node, place), target);
  places_[name] = place;
}

}  // namespace valley
