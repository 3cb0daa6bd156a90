// The commands of the program. Each function adds one command to `app`.
//
// A command in one file is NAME_command.cpp. A larger one has a folder NAME/: command.cpp holds its
// options and the order of its work, report.* its result as text and JSON, files.* files for other
// programs, plots.* PNGs, and one file per subcommand.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace valley::app {

void add_bench_command(CLI::App& app);
void add_classify_command(CLI::App& app);
// Completes the commands that `app` has when the completion script is printed.
void add_completion_command(CLI::App& app);
void add_doctor_command(CLI::App& app);
void add_energy_command(CLI::App& app);
void add_evaluate_command(CLI::App& app);
void add_infer_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_restore_command(CLI::App& app);
void add_runs_command(CLI::App& app);
void add_sample_command(CLI::App& app);
void add_shard_command(CLI::App& app);
// `command_line` is recorded in run.json.
void add_train_command(CLI::App& app, const std::string& command_line);

}  // namespace valley::app
