#include <fmt/core.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/options.h"
#include "app/print_result.h"
#include "app/shard/build_report.h"
#include "app/shard/subcommands.h"
#include "core/error.h"
#include "core/terminal.h"
#include "core/text.h"
#include "data/verify.h"

namespace valley::app {
namespace {

using nlohmann::ordered_json;

struct InspectArguments {
  std::string directory;
  bool deep = false;
  bool json = false;
};

std::string to_json(const VerifyReport& report) {
  ordered_json problems = ordered_json::array();
  for (const Problem& problem : report.problems) {
    ordered_json entry = {{"file", problem.file}, {"row", nullptr}, {"what", problem.what}};
    if (problem.row) entry["row"] = *problem.row;
    problems.push_back(entry);
  }
  const ordered_json root = {{"ok", report.problems.empty()}, {"images", report.images},
                             {"shards", report.shards},       {"bytes", report.bytes},
                             {"seconds", report.seconds},     {"problems", problems}};
  return write_json(root, 1);
}

std::string to_text(const VerifyReport& report, const InspectArguments& arguments) {
  std::string text;
  for (const Problem& problem : report.problems) {
    text += fmt::format("{}{}: {}\n", problem.file,
                        problem.row ? fmt::format(" row {}", *problem.row) : "", problem.what);
  }
  if (report.problems.empty())
    text += fmt::format("{}: {} images in {} are as they were written ({} in {:.1f} s{})\n",
                        arguments.directory, report.images,
                        plural(static_cast<std::int64_t>(report.shards), "shard"),
                        format_bytes(report.bytes), report.seconds,
                        arguments.deep ? ", deep" : "; --deep also checks the files' SHA-256");
  return text;
}

void verify(const InspectArguments& arguments) {
  const bool is_terminal = is_capable_terminal(STDERR_FILENO);
  const auto progress = [is_terminal](std::uint64_t done, std::uint64_t all) {
    if (is_terminal && (done % 512 == 0 || done == all))
      fmt::print(stderr, "\r\x1b[K{} of {} images", done, all);
  };
  const VerifyReport report = verify_dataset(arguments.directory, arguments.deep, progress);
  if (is_terminal) fmt::print(stderr, "\r\x1b[K");
  print_result(
      arguments.json, [&] { return to_json(report); }, [&] { return to_text(report, arguments); });
  std::fflush(stdout);
  if (!report.problems.empty())
    throw Error(ExitCode::kData,
                "{}: {} found (listed on stdout): restore the files, or build the data set again "
                "with valley shard build --overwrite",
                arguments.directory,
                plural(static_cast<std::int64_t>(report.problems.size()), "problem"));
}

void add_common(CLI::App& command, InspectArguments& arguments) {
  command.add_option("directory", arguments.directory, "A folder of shards")->required();
  add_json_option(command, arguments.json);
}

}  // namespace

void add_shard_verify(CLI::App& shard) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = shard.add_subcommand("verify",
                                           "Verify the checksums of all images and metadata; list "
                                           "all problems and exit with code 65 if there are "
                                           "any.\n\n"
                                           "Examples:\n"
                                           "  valley shard verify data/emoji-256\n"
                                           "  valley shard verify data/emoji-256 --deep --json");
  add_common(*command, *arguments);
  command->add_flag("--deep", arguments->deep,
                    "Also verify the SHA-256 of every file, the fingerprint and the statistics");
  command->callback([arguments] { verify(*arguments); });
}

}  // namespace valley::app
