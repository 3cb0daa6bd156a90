// How --help looks at every level, and what is said of a wrong command line.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace valley::app {

// Makes --help of `app` and of all commands that are added later keep to 100 columns: what a
// command is for and its examples first, then its options; commands in a list with their first
// line.
void use_help_layout(CLI::App& app);

// One line for a command line that `app` could not parse: what is wrong, the command or option that
// was probably meant, and where help is.
[[nodiscard]] std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace valley::app
