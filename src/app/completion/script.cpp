#include "app/completion/script.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cctype>
#include <sstream>
#include <vector>

namespace valley::app {
namespace {

using Words = std::vector<std::string>;

std::string join_words(const Words& words) { return fmt::format("{}", fmt::join(words, " ")); }

// One branch of a case statement, which prints `words` for `pattern`.
std::string branch(const std::string& pattern, const Words& words) {
  return fmt::format("    '{}') echo '{}' ;;\n", pattern, join_words(words));
}

std::string function(const std::string& name, const std::string& subject,
                     const std::string& branches, const std::string& otherwise) {
  return fmt::format("{}() {{\n  case \"{}\" in\n{}    *) {} ;;\n  esac\n}}\n", name, subject,
                     branches, otherwise);
}

std::vector<const CLI::App*> visible_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

Words option_words(const CLI::Option& option) {
  Words names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

Words split(const std::string& text, char separator) {
  Words parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// The choices of an IsMember validator, as CLI11 puts them into the type: "TEXT:{lanczos,box}".
Words choices_in(const std::string& type) {
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open);
  if (close == std::string::npos) return {};
  return split(type.substr(open + 1, close - open - 1), ',');
}

bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
  });
}

Words option_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  Words values = choices_in(type);
  if (!values.empty()) return values;
  for (const std::string& part : split(type, '|')) {
    if (is_word(part)) values.push_back(part);
    if (part.starts_with("DIR")) values.emplace_back("@dir");
    for (const char* name : {"FILE", "PATH", "RUN", "CONFIG", "IMAGE"}) {
      if (part.starts_with(name)) values.emplace_back("@file");
    }
  }
  if (type.find("section.key=value") != std::string::npos) values.emplace_back("@keys");
  return values;
}

struct Branches {
  std::string commands;
  std::string options;
  std::string values;
};

void collect(const CLI::App& app, const std::string& path, Branches& branches) {
  Words commands;
  for (const CLI::App* command : visible_commands(app)) commands.push_back(command->get_name());
  if (!commands.empty()) branches.commands += branch(path, commands);

  Words options;
  Words positional;
  for (const CLI::Option* option : visible_options(app)) {
    const Words names = option_words(*option);
    options.insert(options.end(), names.begin(), names.end());
    const Words values = option_values(*option);
    if (option->get_positional()) positional.insert(positional.end(), values.begin(), values.end());
    if (names.empty() || is_flag(*option)) continue;
    for (const std::string& name : names) branches.values += branch(path + " " + name, values);
  }
  branches.options += branch(path, options);
  if (!positional.empty()) branches.values += branch(path + " ", positional);
  for (const CLI::App* command : visible_commands(app))
    collect(*command, path + " " + command->get_name(), branches);
}

Words key_values(const Key& key) {
  Words values = key.choices();
  if (key.type() == "bool") values = {"true", "false"};
  if (key.type().find("\"auto\"") != std::string::npos) values.emplace_back("auto");
  if (key.name().ends_with(".path")) values.emplace_back("@dir");
  return values;
}

}  // namespace

std::string bash_completion(const CLI::App& app, const Schema& schema) {
  Branches branches;
  collect(app, app.get_name(), branches);
  Words keys;
  std::string key_branches;
  for (const Key& key : schema.keys()) {
    keys.push_back(key.name() + "=");
    const Words values = key_values(key);
    if (!values.empty()) key_branches += branch(key.name(), values);
  }
  return "# bash completion of valley, printed by `valley completion bash`.\n\n" +
         function("_valley_commands", "$1", branches.commands, "true") +
         function("_valley_options", "$1", branches.options, "true") +
         "# Values of an option, or without an option those of a command; fails for an option "
         "without value.\n" +
         function("_valley_values", "$1 $2", branches.values, "return 1") +
         fmt::format("_valley_keys() {{\n  echo '{}'\n}}\n", join_words(keys)) +
         function("_valley_key_values", "$1", key_branches, "true") + completion_body();
}

}  // namespace valley::app
