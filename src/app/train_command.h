// `valley train`.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_train_command(CLI::App& app, const std::string& command_line);

}  // namespace valley::app
