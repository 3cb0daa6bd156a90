#include "app/completion_command.h"

#include <fmt/core.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>

#include "app/completion_script.h"
#include "experiment/experiment.h"

namespace valley::app {
namespace {

constexpr const char* kCompletionHelp =
    "Print a script that makes the shell complete commands, options, config keys and their "
    "values.\n\n"
    "Examples:\n"
    "  source <(valley completion bash)                                        this shell\n"
    "  valley completion bash > ~/.local/share/bash-completion/completions/valley  every shell";

}  // namespace

void add_completion_command(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", kCompletionHelp);
  command->add_option("shell", *shell, "Which shell")->required()->check(CLI::IsMember({"bash"}));
  command->callback([&app, shell] {
    Experiment experiment;
    fmt::print("{}", bash_completion(app, experiment.schema()));
  });
}

}  // namespace valley::app
