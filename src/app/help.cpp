#include "app/help.h"

#include <fmt/ranges.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "core/config.h"
#include "core/text.h"

namespace valley::app {
namespace {

constexpr std::size_t kNameColumns = 30;
constexpr std::size_t kIndent = 2;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// "  name        meaning, wrapped in its own column"
std::string entry(const std::string& name, const std::string& meaning) {
  std::string out = std::string(kIndent, ' ') + name;
  const std::vector<std::string> lines = wrap(meaning, kTerminalWidth - kNameColumns);
  for (const std::string& line : lines) {
    const bool is_beside = &line == &lines.front() && columns(out) < kNameColumns;
    out += is_beside ? std::string(kNameColumns - columns(out), ' ')
                     : "\n" + std::string(kNameColumns, ' ');
    out += line;
  }
  return out + "\n";
}

// Wraps lines that are too long, with a deeper indent. Other lines, such as examples, do not
// change.
std::string wrap_long_lines(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (columns(line) <= kTerminalWidth) {
      out += line + "\n";
      continue;
    }
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t deeper = indent == 0 ? 0 : indent + 2 * kIndent;
    bool is_first = true;
    for (const std::string& part : wrap(line, kTerminalWidth - deeper)) {
      out += std::string(is_first ? indent : deeper, ' ') + part + "\n";
      is_first = false;
    }
  }
  return out;
}

class HelpLayout final : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_name(), first_line(command->get_description()));
  }
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
  }
  std::string make_description(const CLI::App* command) const override {
    return wrap_long_lines(command->get_description()) + "\n";
  }
};

// The subcommand that the words so far have selected: "valley shard build".
const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

std::string full_name(const CLI::App& command) {
  const std::string name = command.get_name();
  return command.get_parent() == nullptr ? name : full_name(*command.get_parent()) + " " + name;
}

std::vector<std::string> command_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands({})) names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string suggest(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = nearest_name(word, known);
  return near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near);
}

}  // namespace

void use_help_layout(CLI::App& app) { app.formatter(std::make_shared<HelpLayout>()); }

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost(app);
  const std::string help = fmt::format("; see {} --help", full_name(command));
  const std::vector<std::string> rest = command.remaining();
  const auto word = std::find_if(rest.begin(), rest.end(), [](const std::string& text) {
    return !text.empty() && text.front() != '-';
  });
  const std::vector<std::string> commands = command_names(command);
  if (!commands.empty()) {
    if (rest.empty())
      return fmt::format("{} needs a command: {}{}", full_name(command), fmt::join(commands, ", "),
                         help);
    if (word != rest.end())
      return fmt::format("{} has no command \"{}\"{}{}", full_name(command), *word,
                         suggest(*word, commands), help);
  }
  if (!rest.empty())
    return fmt::format("the argument {} was not expected{}{}", rest.front(),
                       suggest(rest.front(), option_names(command)), help);
  return first_line(error.what()) + help;
}

}  // namespace valley::app
