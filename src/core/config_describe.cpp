// Output of a Schema: the resolved config, the keys for a terminal and for docs/config.md.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/config.h"
#include "core/text.h"

namespace valley {
namespace {

constexpr std::size_t kLongestNameColumn = 36;

bool is_in_section(const Key& key, const std::string& section) {
  return key.name().rfind('.') == section.size() && key.name().starts_with(section);
}

void describe_for_terminal(const Key& key, std::size_t indent, std::string& out) {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& text) {
    for (std::string& line : wrap(text, kTerminalWidth - indent)) lines.push_back(std::move(line));
  };
  add(fmt::format("{}; default {}", key.accepts(), key.default_value()));
  add(key.meaning());
  if (!key.where_from().empty()) add(fmt::format("Default from: {}", key.where_from()));

  const bool name_fits = key.name().size() + 2 <= indent;
  out += name_fits ? fmt::format("{:<{}}", key.name(), indent) : key.name() + "\n";
  bool at_name = name_fits;
  for (const std::string& line : lines) {
    if (!at_name) out.append(indent, ' ');
    at_name = false;
    out += line + "\n";
  }
}

// Escapes text for a table cell; text in backquotes stays code.
std::string markdown_text(std::string_view text) {
  std::string out;
  bool in_code = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '`') in_code = !in_code;
    const bool opens_tag =
        c == '<' && i + 1 < text.size() && text[i + 1] != '=' && text[i + 1] != ' ';
    if (c == '|' || (!in_code && (c == '*' || opens_tag))) out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// GitHub's tables take "\|" for a bar inside code as well.
std::string markdown_code(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  const bool has_backquote = escaped.find('`') != std::string::npos;
  return has_backquote ? fmt::format("`` {} ``", escaped) : fmt::format("`{}`", escaped);
}

}  // namespace

std::string Schema::to_toml() const {
  std::string out;
  for (const std::string& section : sections()) {
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    for (const Key& key : keys_) {
      if (!is_in_section(key, section)) continue;
      for (const std::string& line : wrap(key.meaning(), kTerminalWidth - 2))
        out += "# " + line + "\n";
      out += fmt::format("{} = {}\n", key.name().substr(section.size() + 1), key.value());
    }
  }
  return out;
}

std::string Schema::describe_keys(const std::string& prefix) const {
  std::size_t longest = 0;
  for (const Key& key : keys_) {
    if (key.name().starts_with(prefix)) longest = std::max(longest, key.name().size());
  }
  if (longest == 0) {
    throw Error(ExitCode::kUsage, "no key starts with \"{}\"; the sections are {}", prefix,
                fmt::join(sections(), ", "));
  }
  const std::size_t indent = std::min(longest + 2, kLongestNameColumn);
  std::string out;
  for (const std::string& section : sections()) {
    std::string keys_of_section;
    for (const Key& key : keys_) {
      if (is_in_section(key, section) && key.name().starts_with(prefix))
        describe_for_terminal(key, indent, keys_of_section);
    }
    if (!out.empty() && !keys_of_section.empty()) out += "\n";
    out += keys_of_section;
  }
  return out;
}

std::string Schema::describe_keys_markdown() const {
  std::string out =
      "<!-- Generated from the descriptions in the source: do not edit, generate it again. -->\n\n"
      "# Keys of an experiment file\n\n"
      "The same as `valley train --keys` prints. A key is set in its section of the TOML file, or "
      "on "
      "the command line as `section.key=value`, which wins over the file.\n";
  for (const std::string& section : sections()) {
    out += fmt::format(
        "\n## {}\n\n| Key | Takes | Default | Meaning | Default from |\n"
        "| --- | --- | --- | --- | --- |\n",
        section);
    for (const Key& key : keys_) {
      if (!is_in_section(key, section)) continue;
      out += fmt::format("| {} | {} | {} | {} | {} |\n", markdown_code(key.name()),
                         markdown_text(key.accepts()), markdown_code(key.default_value()),
                         markdown_text(key.meaning()), markdown_text(key.where_from()));
    }
  }
  return out;
}

}  // namespace valley
