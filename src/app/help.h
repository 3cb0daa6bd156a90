// The layout of --help, and the messages for a wrong command line.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace valley::app {

// Limits --help of `app` and of all commands added later to 100 columns, in this order: purpose and
// examples of the command, its options, and its subcommands with the first line of their help.
void use_help_layout(CLI::App& app);

// One line about a command line that `app` could not parse: the error, the most similar command or
// option, and the command that prints help.
[[nodiscard]] std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace valley::app
