#include <fmt/core.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>

#include "app/commands.h"
#include "app/completion/script.h"
#include "experiment/experiment.h"

namespace valley::app {
namespace {

constexpr const char* kCompletionHelp =
    "Print the script for shell completion of commands, options, config keys and values.\n\n"
    "Examples:\n"
    "  source <(valley completion bash)                                        in this shell\n"
    "  valley completion bash > ~/.local/share/bash-completion/completions/valley  in all shells";

}  // namespace

void add_completion_command(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", kCompletionHelp);
  command->add_option("shell", *shell, "Name of the shell")
      ->required()
      ->check(CLI::IsMember({"bash"}));
  command->callback([&app, shell] {
    Experiment experiment;
    fmt::print("{}", bash_completion(app, experiment.schema()));
  });
}

}  // namespace valley::app
