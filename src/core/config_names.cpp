// Messages about names that a Schema does not know.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "core/config.h"
#include "core/text.h"

namespace valley {
namespace {

constexpr std::size_t kMaxEdits = 3;
constexpr std::size_t kLettersPerEdit = 3;
constexpr std::size_t kMaxComparedLetters = 200;  // no known name is similar to longer ones
constexpr std::size_t kMaxQuotedBytes = 200;

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Optimal string alignment distance: Levenshtein with transpositions of adjacent letters.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t differs = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differs});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// Letters of `name` that are compared with `known`, without a section that both share: 5 for
// "train.stepz" and "train.steps".
std::size_t compared_letters(std::string_view name, std::string_view known) {
  const std::size_t section = name.rfind('.');
  const bool shared = section != std::string_view::npos && known.rfind('.') == section &&
                      name.substr(0, section) == known.substr(0, section);
  return shared ? last_part(name).size() : name.size();
}

// Name for messages: quoted unless TOML has quoted a part of it, and truncated.
std::string name_in_message(const std::string& name) {
  const std::string text = printable_line(name);
  const bool is_long = text.size() > kMaxQuotedBytes;
  const std::string shown = is_long ? text.substr(0, kMaxQuotedBytes) + "..." : text;
  return text.find('"') == std::string::npos ? "\"" + shown + "\"" : shown;
}

std::string without_quotes(std::string name) {
  std::erase_if(name, [](char c) { return c == '"' || c == '\''; });
  return name;
}

}  // namespace

std::size_t choice_of(const std::string& text, const std::vector<std::string>& choices,
                      const std::string& key) {
  const auto found = std::ranges::find(choices, text);
  if (found == choices.end()) {
    throw Error(ExitCode::kConfig, "{} is \"{}\"; it can be {}", key, text,
                fmt::join(choices, ", "));
  }
  return static_cast<std::size_t>(found - choices.begin());
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  if (name.size() > kMaxComparedLetters) return "";
  const std::string wanted = lower_case(name);
  std::size_t smallest = std::numeric_limits<std::size_t>::max();
  std::string nearest;
  for (const std::string& candidate : known) {
    const std::string other = lower_case(candidate);
    const std::size_t max_edits =
        std::min(kMaxEdits, (compared_letters(wanted, other) + 1) / kLettersPerEdit);
    const std::size_t distance = edit_distance(wanted, other);
    if (distance > max_edits || distance >= smallest) continue;
    smallest = distance;
    nearest = candidate;
  }
  return nearest;
}

Error Schema::unknown_section(const std::string& name, const std::string& place) const {
  if (is_section(name)) {
    return {ExitCode::kConfig, "{}: \"{}\" is a section, not a list of tables: write [{}]", place,
            name, name};
  }
  const std::string quoted = name_in_message(name);
  if (const std::string plain = without_quotes(name); plain != name && find(plain) != nullptr) {
    return {ExitCode::kConfig,
            "{}: unknown section {}; a dot in quotes is part of the name: write {} in the section "
            "[{}]",
            place,
            quoted,
            last_part(plain),
            plain.substr(0, plain.rfind('.'))};
  }
  const std::vector<std::string> known = sections();
  const std::string near = nearest_name(name, known);
  if (!near.empty())
    return {ExitCode::kConfig, "{}: unknown section {}; did you mean \"{}\"?", place, quoted, near};
  return {ExitCode::kConfig, "{}: unknown section {}; the sections are {}", place, quoted,
          fmt::join(known, ", ")};
}

Error Schema::unknown_key(const std::string& name, const std::string& place) const {
  if (is_section(name)) {
    return {ExitCode::kConfig,
            "{}: \"{}\" is a section, not a key; `valley train --keys {}` lists its keys", place,
            name, name};
  }
  const std::string quoted = name_in_message(name);
  if (const std::string plain = without_quotes(name); plain != name && find(plain) != nullptr) {
    return {ExitCode::kConfig,
            "{}: unknown key {}; a dot in quotes is part of the name: write {} without quotes",
            place, quoted, plain};
  }
  std::vector<std::string> known;
  std::vector<std::string> elsewhere;  // keys of this name in other sections
  for (const Key& key : keys_) {
    known.push_back(key.name());
    if (last_part(key.name()) == last_part(name)) elsewhere.push_back(key.name());
  }
  std::string near = nearest_name(name, known);
  if (near.empty() && elsewhere.size() == 1) near = elsewhere.front();
  if (!near.empty())
    return {ExitCode::kConfig, "{}: unknown key {}; did you mean \"{}\"?", place, quoted, near};
  const std::string section = name.substr(0, name.find('.'));
  return {ExitCode::kConfig, "{}: unknown key {}; `valley train --keys{}` lists the known ones",
          place, quoted, is_section(section) ? " " + section : ""};
}

}  // namespace valley
