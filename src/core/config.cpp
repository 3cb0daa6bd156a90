#include "core/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "core/error.h"
#include "core/weighted_list.h"

namespace valley {
namespace {

std::string toml_value(bool value) { return value ? "true" : "false"; }
std::string toml_value(std::int64_t value) { return fmt::format("{}", value); }
std::string toml_value(const AutoInt& value) { return value ? toml_value(*value) : "\"auto\""; }
std::string toml_value(const std::string& value) { return toml_string(value); }
std::string toml_value(const std::vector<std::int64_t>& list) {
  return fmt::format("[{}]", fmt::join(list, ", "));
}
std::string toml_value(const std::vector<std::string>& list) {
  std::vector<std::string> quoted;
  for (const std::string& text : list) quoted.push_back(toml_string(text));
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}
// The shortest digits that read back as the same double, and always a float to TOML.
std::string toml_value(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}
std::string toml_value(const AutoDouble& value) { return value ? toml_value(*value) : "\"auto\""; }

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// "section.key", of bare TOML keys: to_toml writes them unquoted.
bool is_dotted_name(std::string_view name) {
  bool has_dot = false;
  char previous = '.';
  for (const char c : name) {
    if (c != '.' ? !is_bare(c) : previous == '.') return false;
    has_dot = has_dot || c == '.';
    previous = c;
  }
  return has_dot && previous != '.';
}

void append_once(std::string& text, const char* separator, const std::string& more) {
  if (text.find(more) != std::string::npos) return;
  text += text.empty() ? more : separator + more;
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (code < 0x20 || code == 0x7F) {
      out += fmt::format("\\u{:04X}", code);
    } else {
      out += c;
    }
  }
  return out + '"';
}

Key::Key(std::string name, Target target, std::vector<std::string> choices)
    : name_(std::move(name)), targets_{std::move(target)}, choices_(std::move(choices)) {
  default_ = value();
}

Key& Key::help(const std::string& meaning) {
  append_once(meaning_, " ", meaning);
  return *this;
}

Key& Key::source(const std::string& where) {
  append_once(source_, "; ", where);
  return *this;
}

Key& Key::min(double lowest) {
  min_ = lowest;
  min_is_exclusive_ = false;
  return *this;
}

Key& Key::max(double highest) {
  max_ = highest;
  return *this;
}

Key& Key::above(double bound) {
  min_ = bound;
  min_is_exclusive_ = true;
  return *this;
}

Key& Key::one_of(std::vector<std::string> choices) {
  VALLEY_CHECK(std::holds_alternative<std::string*>(targets_.front()));
  choices_ = std::move(choices);
  return *this;
}

Key& Key::or_weighted_list() {
  VALLEY_CHECK(std::holds_alternative<std::string*>(targets_.front()));
  takes_weighted_list_ = true;
  return *this;
}

std::string Key::type() const {
  if (takes_weighted_list_) return "string or list of [string, number]";
  struct Names {
    std::string operator()(const bool*) const { return "bool"; }
    std::string operator()(const std::int64_t*) const { return "integer"; }
    std::string operator()(const AutoInt*) const { return "integer or \"auto\""; }
    std::string operator()(const double*) const { return "number"; }
    std::string operator()(const AutoDouble*) const { return "number or \"auto\""; }
    std::string operator()(const std::string*) const { return "string"; }
    std::string operator()(const EnumTarget&) const { return "string"; }
    std::string operator()(const std::vector<std::int64_t>*) const { return "list of integers"; }
    std::string operator()(const std::vector<std::string>*) const { return "list of strings"; }
  };
  return std::visit(Names{}, targets_.front());
}

std::string Key::value() const {
  if (const auto* target = std::get_if<EnumTarget>(&targets_.front()))
    return toml_string(choices_.at(target->get()));
  if (takes_weighted_list_) {
    const std::string& text = *std::get<std::string*>(targets_.front());
    return is_weighted_list(text) ? text : toml_value(text);
  }
  return std::visit(
      [](const auto& target) -> std::string {
        if constexpr (std::is_pointer_v<std::decay_t<decltype(target)>>) return toml_value(*target);
        return "";
      },
      targets_.front());
}

bool Key::holds_text() const {
  return std::holds_alternative<std::string*>(targets_.front()) ||
         std::holds_alternative<EnumTarget>(targets_.front());
}

bool Key::is_switch() const {
  const auto has = [this](const char* word) {
    return std::find(choices_.begin(), choices_.end(), word) != choices_.end();
  };
  return has("on") && has("off");
}

std::string Key::limits() const {
  std::string text;
  if (min_) text = fmt::format("{} {}", min_is_exclusive_ ? ">" : ">=", *min_);
  if (max_) text += fmt::format("{}<= {}", text.empty() ? "" : ", ", *max_);
  return text;
}

std::string Key::accepts() const {
  if (!choices_.empty()) {
    std::vector<std::string> quoted_choices;
    for (const std::string& choice : choices_) quoted_choices.push_back(toml_string(choice));
    return fmt::format("one of {}{}", fmt::join(quoted_choices, ", "),
                       is_switch() ? ", true, false" : "");
  }
  if (takes_weighted_list_) return "a string, or a list like [[\"a\", 0.7], [\"b\", 0.3]]";
  struct Phrases {
    std::string limits;
    std::string operator()(const bool*) const { return "true or false"; }
    std::string operator()(const std::int64_t*) const { return "an integer" + limits; }
    std::string operator()(const AutoInt*) const { return "an integer" + limits + " or \"auto\""; }
    std::string operator()(const double*) const { return "a number" + limits; }
    std::string operator()(const AutoDouble*) const { return "a number" + limits + " or \"auto\""; }
    std::string operator()(const std::string*) const { return "a string"; }
    std::string operator()(const EnumTarget&) const { return "a string"; }
    std::string operator()(const std::vector<std::int64_t>*) const {
      return "a list of integers" + limits;
    }
    std::string operator()(const std::vector<std::string>*) const { return "a list of strings"; }
  };
  const std::string bounds = limits();
  return std::visit(Phrases{bounds.empty() ? "" : " " + bounds}, targets_.front());
}

bool Key::is_within_limits(double number) const {
  if (!std::isfinite(number)) return false;
  if (min_ && (min_is_exclusive_ ? number <= *min_ : number < *min_)) return false;
  return !max_ || number <= *max_;
}

Key& Schema::key(std::string name, Key::Target target) {
  VALLEY_CHECK(is_dotted_name(name));
  const auto known = std::ranges::find(keys_, name, &Key::name);
  if (known == keys_.end()) return keys_.emplace_back(std::move(name), std::move(target));
  VALLEY_CHECK(known->targets_.front().index() == target.index());
  known->targets_.push_back(std::move(target));
  return *known;
}

void Schema::bound_numbers(double largest) {
  for (Key& key : keys_) key.bound_ = largest;
}

void Schema::alternatives(std::vector<std::string> names) {
  for (const std::string& name : names) VALLEY_CHECK(find(name) != nullptr);
  alternatives_.push_back(std::move(names));
}

void Schema::renamed(std::string old_name, const std::string& name) {
  VALLEY_CHECK(find(name) != nullptr && find(old_name) == nullptr);
  old_names_[std::move(old_name)] = name;
}

const Key* Schema::find(const std::string& name) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const Key& known) { return known.name() == name; });
  return found == keys_.end() ? nullptr : &*found;
}

bool Schema::is_section(const std::string& name) const {
  return std::any_of(keys_.begin(), keys_.end(),
                     [&](const Key& known) { return known.name().starts_with(name + "."); });
}

std::vector<std::string> Schema::sections() const {
  std::vector<std::string> sections;
  for (const Key& known : keys_) {
    std::string section = known.name().substr(0, known.name().rfind('.'));
    if (std::find(sections.begin(), sections.end(), section) == sections.end())
      sections.push_back(std::move(section));
  }
  return sections;
}

bool Schema::was_given(const std::string& name) const {
  VALLEY_CHECK(find(name) != nullptr);
  return places_.contains(name);
}

std::string Schema::place(const std::string& name) const {
  VALLEY_CHECK(find(name) != nullptr);
  const auto found = places_.find(name);
  return found == places_.end() ? "default" : found->second;
}

std::map<std::string, std::string> Schema::values() const {
  std::map<std::string, std::string> values;
  for (const Key& known : keys_) values[known.name()] = known.value();
  return values;
}

}  // namespace valley
