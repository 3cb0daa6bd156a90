#include "app/report_command.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/version.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "report/page.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReportHelp =
    "Make one HTML page of a run, or of several side by side.\n"
    "Energies of real and of generated samples, grids over time, settings, speed, warnings. The "
    "page\n"
    "is one file without links to any network.\n\n"
    "Examples:\n"
    "  valley report runs/00007-began-64                               RUN/report.html\n"
    "  valley report runs/00003-magan-64 runs/00004-ebgan-64 -o compare.html";

struct ReportArguments {
  std::vector<std::string> runs;
  std::string out;
};

// Side by side, more than these are no comparison any more.
constexpr std::size_t kMostRuns = 6;

fs::path output_of(const ReportArguments& a) {
  if (!a.out.empty()) return a.out;
  if (a.runs.size() > 1)
    throw Error(ExitCode::kUsage, "of {} runs, -o FILE.html must say where the page goes",
                a.runs.size());
  return fs::path(a.runs.front()) / "report.html";
}

void require_different(const std::vector<std::string>& runs) {
  if (runs.size() > kMostRuns)
    throw Error(ExitCode::kUsage, "{} runs in one page; at most {}", runs.size(), kMostRuns);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      std::error_code ignored;
      if (fs::equivalent(runs[i], runs[j], ignored))
        throw Error(ExitCode::kUsage, "{} is named twice", runs[i]);
    }
  }
}

void make_report(const ReportArguments& a) {
  require_different(a.runs);
  const fs::path out = output_of(a);
  report::PictureLimits limits;
  limits.most_bytes /= a.runs.size();
  std::vector<report::RunFiles> runs;
  for (const std::string& path : a.runs) runs.push_back(report::read_run(path, limits));
  // After the runs: the message for a path that is none says more.
  require_writable(out);
  for (const report::RunFiles& run : runs)
    for (const std::string& notice : run.notices) log::warn("{}: {}", run.path.string(), notice);
  const std::string version = version_text();
  const std::string page = report::make_page(runs, version.substr(0, version.find('\n')));
  write_file(out, page);
  std::size_t grids = 0;
  std::size_t lines = 0;
  for (const report::RunFiles& run : runs) {
    grids += run.pictures.fakes.size();
    lines += run.stats.lines;
  }
  print_to_stdout("{}: {} run{}, {} grids, {} lines of figures, {:.1f} MB\n", out.string(),
                  runs.size(), runs.size() == 1 ? "" : "s", grids, lines,
                  1e-6 * static_cast<double>(page.size()));
}

}  // namespace

void add_report_command(CLI::App& app) {
  auto a = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand("report", kReportHelp);
  command->add_option("run", a->runs, "Run directories")->required()->type_name("RUN");
  command->add_option("-o,--out", a->out, "The page to write; default, of one run: RUN/report.html")
      ->type_name("FILE.html");
  command->callback([a] { make_report(*a); });
}

}  // namespace valley::app
