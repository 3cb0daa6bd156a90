#include "tools/export.h"

#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "app/options.h"
#include "app/print_result.h"
#include "app/progress.h"
#include "app/shard/subcommands.h"
#include "core/log.h"
#include "core/text.h"
#include "data/dataset.h"

namespace valley::app {
namespace {

struct ExportArguments {
  std::string directory;
  std::string kind;
  std::string destination;
  std::uint64_t shard_images = 4096;
  unsigned jobs = 0;
  bool overwrite = false;
  bool json = false;
};

// A word of a shell command; quoted if the shell would change it.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

// The command that builds the same data set from the export.
std::string build_command(const ExportArguments& a, const ExportReport& report,
                          const Dataset& dataset) {
  std::string source = a.destination;
  if (a.kind == "webdataset") {
    const std::filesystem::path folder = a.destination;
    const std::uint64_t last = report.files - 2;  // without export.json
    source = last == 0 ? (folder / "shard-000000.tar").string()
                       : fmt::format("{}{{000000..{:06}}}.tar", (folder / "shard-").string(), last);
  }
  return fmt::format(
      "valley shard build --source {} --dest DEST --resolution {}x{}{} --transform "
      "none --no-shuffle",
      shell_word(source), dataset.width(), dataset.height(),
      dataset.channels() == 1 ? " --channels gray" : "");
}

// Parts of a data set that no format of exports holds.
void warn_of_losses(const Dataset& dataset) {
  const std::string directory = dataset.directory().string();
  if (dataset.is_encoded())
    log::warn(
        "{}: its images are stored compressed, and the export has their pixels: a data set that is "
        "built from it has the same pixels, but other checksums and another fingerprint",
        directory);
  if (!dataset.label_vector_names().empty())
    log::warn("{}: its label vectors are not exported", directory);
}

void run_export(const ExportArguments& a) {
  const std::unique_ptr<Dataset> dataset = Dataset::open(a.directory);
  warn_of_losses(*dataset);
  ExportOptions options;
  options.kind = parse_export_kind(a.kind);
  options.destination = a.destination;
  options.shard_images = a.shard_images;
  options.jobs = a.jobs > 0 ? a.jobs : std::max(1U, std::thread::hardware_concurrency());
  options.overwrite = a.overwrite;
  ExportReport report;
  {
    TransientLine line;
    options.progress = [&line](std::uint64_t done, std::uint64_t all) {
      if (line.is_due()) line.show(fmt::format("{} of {} images", done, all));
    };
    report = export_dataset(*dataset, options);
  }
  const std::string command = build_command(a, report, *dataset);
  print_result(
      a.json,
      [&] {
        return write_json(nlohmann::ordered_json{{"images", report.images},
                                                 {"files", report.files},
                                                 {"bytes", report.bytes},
                                                 {"seconds", report.seconds},
                                                 {"fingerprint", dataset->fingerprint()},
                                                 {"destination", a.destination},
                                                 {"build", command}},
                          1);
      },
      [&] {
        return fmt::format("exported {} images to {}: {} in {}, {:.1f} s\nback     {}\n",
                           report.images, a.destination, format_bytes(report.bytes),
                           plural(static_cast<std::int64_t>(report.files), "file"), report.seconds,
                           command);
      });
}

}  // namespace

void add_shard_export(CLI::App& shard) {
  auto a = std::make_shared<ExportArguments>();
  CLI::App* command = shard.add_subcommand(
      "export",
      "Export a data set without a loss to PNG files with StyleGAN's dataset.json (folder, zip), "
      "to webdataset's tar files, or to NumPy arrays (npz). The printed command builds a data set "
      "of the same fingerprint from the export.\n\n"
      "Examples:\n"
      "  valley shard export data/faces-64 --to zip --dest faces-64.zip\n"
      "  valley shard export data/faces-64 --to webdataset --shard-images 10000 --dest faces-wds\n"
      "  valley shard export data/digits --to npz --dest digits.npz");
  command->add_option("directory", a->directory, "A folder of shards")->required();
  command->add_option("--to", a->kind, "Format")
      ->required()
      ->check(CLI::IsMember(export_kind_names()));
  command->add_option("--dest", a->destination, "The folder or file to create")->required();
  command->add_option("--shard-images", a->shard_images, "Images per tar file of a webdataset")
      ->transform(number_range<std::uint64_t>(1))
      ->capture_default_str();
  command
      ->add_option("--jobs", a->jobs,
                   "Number of threads (default: all cores); does not change the written bytes")
      ->transform(number_range<unsigned>(0, 4096));
  command->add_flag("--overwrite", a->overwrite, "Replace an earlier export");
  add_json_option(*command, a->json);
  command->callback([a] { run_export(*a); });
}

}  // namespace valley::app
