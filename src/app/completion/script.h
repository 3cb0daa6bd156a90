// The bash completion script, generated from the program's own commands, options and config keys.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "core/config.h"

namespace valley::app {

// A bash script that defines _valley and registers it for `valley`. The values of an option follow
// from its validator ("{a,b}") or its type name: "none|auto|PATH" means two words and paths, DIR
// folders, FILE, RUN, CONFIG and IMAGE paths, a name with "section.key=value" the keys of `schema`.
// For other options bash completes file names.
[[nodiscard]] std::string bash_completion(const CLI::App& app, const Schema& schema);

// The part that does not depend on the commands: completion.bash.
[[nodiscard]] const char* completion_body();

}  // namespace valley::app
