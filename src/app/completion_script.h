// The bash completion of the program, made from its own command line and config keys, so that it
// knows what they know.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "core/config.h"

namespace valley::app {

// A script for bash that defines _valley and registers it for `valley`. An option's values come
// from its validator ("{a,b}") or its type name: "none|auto|PATH" is two words and paths, DIR
// folders, FILE and the like paths, a name with "section.key=value" the keys of `schema`. For
// others bash completes file names.
[[nodiscard]] std::string bash_completion(const CLI::App& app, const Schema& schema);

// The part that is the same whatever the commands are: completion.bash.
[[nodiscard]] const char* completion_body();

}  // namespace valley::app
