#include <fmt/ranges.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/options.h"
#include "app/print_result.h"
#include "report/run_table.h"

namespace valley::app {
namespace {

constexpr const char* kRunsHelp =
    "List all runs below a folder: method, progress, and the last and best metrics.\n\n"
    "Examples:\n"
    "  valley runs                            those in runs/\n"
    "  valley runs /scratch/seeds --sort swd  the best ones first\n"
    "  valley runs --json";

struct RunsArguments {
  std::filesystem::path folder = "runs";
  std::string sort = "name";
  bool is_reversed = false;
  bool json = false;
};

void list(const RunsArguments& a) {
  std::vector<report::RunRow> rows = report::list_runs(a.folder);
  report::sort_runs(rows, a.sort);
  if (a.is_reversed) std::ranges::reverse(rows);
  print_result(
      a.json, [&] { return report::to_json(rows); },
      [&] { return report::to_text(rows, a.folder); });
}

}  // namespace

void add_runs_command(CLI::App& app) {
  auto a = std::make_shared<RunsArguments>();
  CLI::App* command = app.add_subcommand("runs", kRunsHelp);
  command->add_option("folder", a->folder, "Folder of runs, which may have subfolders")
      ->type_name("DIR")
      ->capture_default_str();
  CLI::Validator is_key = CLI::IsMember(report::sort_keys());
  is_key.description("");  // too long for the help; an error lists them
  command
      ->add_option("--sort", a->sort,
                   "name, state, method, data, seed, steps or started; or a metric, by its best "
                   "value: " +
                       fmt::format("{}", fmt::join(report::known_metrics(), ", ")))
      ->check(is_key)
      ->type_name("KEY")
      ->capture_default_str();
  command->add_flag("--reverse", a->is_reversed, "The opposite order");
  add_json_option(*command, a->json);
  command->callback([a] { list(*a); });
}

}  // namespace valley::app
