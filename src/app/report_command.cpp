#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/version.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "report/page.h"
#include "report/run_groups.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReportHelp =
    "Write an HTML page about a run, or about several runs side by side: energies of real and\n"
    "generated samples, sample grids over time, settings, speed and warnings. The page is one "
    "file\n"
    "that needs no network. Runs that differ in train.seed alone are shown as one: means with the\n"
    "95 % interval of the mean.\n\n"
    "Examples:\n"
    "  valley report runs/00007-began-64                               RUN/report.html\n"
    "  valley report runs/00003-magan-64 runs/00004-ebgan-64 -o compare.html\n"
    "  valley report runs/lr-*/seed-*/* -o grid.html                   a grid of keys, with seeds";

struct ReportArguments {
  std::vector<std::string> runs;
  std::string out;
};

// The page has colors for kMaxEntries; kMaxRuns bounds its size.
constexpr std::size_t kMaxEntries = 24;
constexpr std::size_t kMaxRuns = 480;

fs::path output_path(const ReportArguments& a) {
  if (!a.out.empty()) return a.out;
  if (a.runs.size() > 1)
    throw Error(ExitCode::kUsage, "a page of {} runs needs -o FILE.html", a.runs.size());
  return fs::path(a.runs.front()) / "report.html";
}

void require_different(const std::vector<std::string>& runs) {
  if (runs.size() > kMaxRuns)
    throw Error(ExitCode::kUsage, "{} runs for one page; the maximum is {}", runs.size(), kMaxRuns);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      std::error_code ignored;
      if (fs::equivalent(runs[i], runs[j], ignored))
        throw Error(ExitCode::kUsage, "{} is named twice", runs[i]);
    }
  }
}

void require_entries(std::size_t entries) {
  if (entries > kMaxEntries)
    throw Error(
        ExitCode::kUsage,
        "{} runs or groups of seeds for one page; the maximum is {}. Name fewer runs, or let "
        "those of a group differ in train.seed alone",
        entries, kMaxEntries);
}

void make_report(const ReportArguments& a) {
  require_different(a.runs);
  const fs::path out = output_path(a);
  report::GridLimits limits;
  limits.max_bytes /= a.runs.size();
  std::vector<report::RunFiles> runs;
  for (const std::string& path : a.runs) runs.push_back(report::read_run(path, limits));
  const std::size_t entries = report::count_groups(runs);
  require_entries(entries);
  // After read_run, whose message for a path that is not a run is more specific.
  require_writable(out);
  for (const report::RunFiles& run : runs)
    for (const std::string& notice : run.notices) log::warn("{}: {}", run.path.string(), notice);
  const std::string version = version_text();
  const std::string page = report::make_page(runs, version.substr(0, version.find('\n')));
  write_file(out, page);
  std::size_t grids = 0;
  std::size_t lines = 0;
  for (const report::RunFiles& run : runs) {
    grids += run.grids.fakes.size();
    lines += run.stats.lines;
  }
  std::string shown = plural(static_cast<std::int64_t>(runs.size()), "run");
  if (entries < runs.size()) shown += " in " + plural(static_cast<std::int64_t>(entries), "group");
  print_to_stdout("{}: {}, {} grids, {} lines of metrics, {:.1f} MB\n", out.string(), shown, grids,
                  lines, 1e-6 * static_cast<double>(page.size()));
}

}  // namespace

void add_report_command(CLI::App& app) {
  auto a = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand("report", kReportHelp);
  command->add_option("run", a->runs, "Run directories")->required()->type_name("RUN");
  command->add_option("-o,--out", a->out, "The page to write; default for one run: RUN/report.html")
      ->type_name("FILE.html");
  command->callback([a] { make_report(*a); });
}

}  // namespace valley::app
