#include "app/shard_inspect.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json_text.h"
#include "core/terminal.h"
#include "core/text.h"
#include "data/manifest.h"
#include "data/verify.h"

namespace valley::app {
namespace {

using nlohmann::ordered_json;

struct InspectArguments {
  std::string directory;
  bool deep = false;
  bool json = false;
};

void print_report_json(const VerifyReport& report) {
  ordered_json problems = ordered_json::array();
  for (const Problem& problem : report.problems) {
    ordered_json entry = {{"file", problem.file}, {"row", nullptr}, {"what", problem.what}};
    if (problem.row) entry["row"] = *problem.row;
    problems.push_back(entry);
  }
  const ordered_json root = {{"ok", report.problems.empty()}, {"images", report.images},
                             {"shards", report.shards},       {"bytes", report.bytes},
                             {"seconds", report.seconds},     {"problems", problems}};
  print_json_text(write_json(root, 1));
}

void print_report_text(const VerifyReport& report, const InspectArguments& arguments) {
  for (const Problem& problem : report.problems) {
    print_to_stdout("{}{}: {}\n", problem.file,
                    problem.row ? fmt::format(" row {}", *problem.row) : "", problem.what);
  }
  if (report.problems.empty())
    print_to_stdout("{}: {} images in {} {} are as they were written ({} in {:.1f} s{})\n",
                    arguments.directory, report.images, report.shards,
                    report.shards == 1 ? "shard" : "shards", human_bytes(report.bytes),
                    report.seconds,
                    arguments.deep ? ", deep" : "; --deep also checks the files' SHA-256");
}

void verify(const InspectArguments& arguments) {
  const bool is_terminal = is_capable_terminal(STDERR_FILENO);
  const auto progress = [is_terminal](std::uint64_t done, std::uint64_t all) {
    if (is_terminal && (done % 512 == 0 || done == all))
      fmt::print(stderr, "\r\x1b[K{} of {} images", done, all);
  };
  const VerifyReport report = verify_dataset(arguments.directory, arguments.deep, progress);
  if (is_terminal) fmt::print(stderr, "\r\x1b[K");
  if (arguments.json) {
    print_report_json(report);
  } else {
    print_report_text(report, arguments);
  }
  std::fflush(stdout);
  if (!report.problems.empty())
    throw Error(ExitCode::kData,
                "{}: {} {} found (listed on stdout): restore the files, or build anew with "
                "valley shard build --overwrite",
                arguments.directory, report.problems.size(),
                report.problems.size() == 1 ? "problem" : "problems");
}

void print_info_json(const Manifest& manifest) {
  ordered_json root = parse_json<ordered_json>(to_json(manifest), "the manifest");
  const std::size_t shards = manifest.shards.size();
  root.erase("shards");
  root["shards"] = shards;
  root["bytes"] = manifest.bytes();
  print_json_text(write_json(root, 1));
}

void print_info_text(const Manifest& manifest, const std::string& directory) {
  print_to_stdout("{}\n", directory);
  print_to_stdout("state        {}\n",
                  manifest.complete ? "complete" : "unfinished: go on with the build by --resume");
  print_to_stdout("images       {} of {}x{}x{}\n", manifest.images, manifest.width, manifest.height,
                  manifest.channels);
  print_to_stdout("shards       {} of {} images, {}\n", manifest.shards.size(),
                  manifest.shard_images, human_bytes(manifest.bytes()));
  print_to_stdout("rejects      {} of {} candidates\n", manifest.reject_count(),
                  manifest.next_candidate);
  if (manifest.complete) {
    print_to_stdout("mean         {:.3f}\n", fmt::join(manifest.mean, " "));
    print_to_stdout("deviation    {:.3f}\n", fmt::join(manifest.deviation, " "));
    for (const auto& [label, images] : manifest.class_histogram) {
      const auto index = static_cast<std::size_t>(label);
      const bool is_named = label >= 0 && index < manifest.class_names.size();
      print_to_stdout("class        {}: {} images\n",
                      label < 0  ? "none"
                      : is_named ? printable_line(manifest.class_names[index])
                                 : fmt::to_string(label),
                      images);
    }
    print_to_stdout("fingerprint  {}\n", manifest.fingerprint);
  }
  print_to_stdout("parameters   {}\n", manifest.parameters_json);
}

void add_common(CLI::App& command, InspectArguments& arguments) {
  command.add_option("directory", arguments.directory, "What valley shard build made")->required();
  command.add_flag("--json", arguments.json, "The result as JSON");
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

void add_shard_verify(CLI::App& shard) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = shard.add_subcommand("verify",
                                           "Check every image and all metadata against their "
                                           "checksums; exit 65 when something is wrong, "
                                           "after listing all of it.\n\n"
                                           "Examples:\n"
                                           "  valley shard verify data/emoji-256\n"
                                           "  valley shard verify data/emoji-256 --deep --json");
  add_common(*command, *arguments);
  command->add_flag("--deep", arguments->deep,
                    "Also the SHA-256 of every file, the fingerprint and the statistics");
  command->callback([arguments] { verify(*arguments); });
}

void add_shard_info(CLI::App& shard) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = shard.add_subcommand("info",
                                           "Describe a data set.\n\n"
                                           "Examples:\n"
                                           "  valley shard info data/emoji-256\n"
                                           "  valley shard info data/emoji-256 --json");
  add_common(*command, *arguments);
  command->callback([arguments] {
    const Manifest manifest = read_manifest(arguments->directory);
    if (arguments->json) {
      print_info_json(manifest);
    } else {
      print_info_text(manifest, arguments->directory);
    }
  });
}

}  // namespace valley::app
