// `valley classify`: which class a trained model takes each image for.
#pragma once

#include <CLI/App.hpp>

namespace valley::app {

void add_classify_command(CLI::App& app);

}  // namespace valley::app
