#include "app/shard/copies.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/options.h"
#include "app/print_result.h"
#include "app/shard/build_report.h"
#include "app/shard/source.h"
#include "app/shard/subcommands.h"
#include "core/error.h"
#include "core/read_file.h"
#include "data/builder.h"
#include "data/dataset.h"
#include "data/manifest.h"
#include "data/storage.h"
#include "sources/dataset_images.h"
#include "sources/renamed_classes.h"
#include "sources/several_sources.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

}  // namespace

void add_copy_options(CLI::App& command, CopyArguments& a) {
  command
      .add_option("--shard-images", a.shard_images,
                  "Images per shard, a multiple of 32 [that of the source]")
      ->transform(number_range<std::uint64_t>());
  command.add_option("--jobs", a.jobs, "Number of threads (default: all cores)")
      ->transform(number_range<unsigned>(0, 4096));
  CLI::Option* resume = command.add_flag("--resume", a.resume, "Continue an interrupted copy");
  command.add_flag("--overwrite", a.overwrite, "Replace an existing data set")->excludes(resume);
  add_label_names_option(command, a.label_names);
  add_json_option(command, a.json);
}

BuildOptions copy_options(const CopyArguments& a, const fs::path& destination,
                          const Dataset& like) {
  BuildOptions options;
  options.destination = destination;
  options.target.height = like.height();
  options.target.width = like.width();
  options.target.channels = like.channels();
  options.target.transform = Transform::kNone;
  options.shard_images = a.shard_images.value_or(read_manifest(like.directory()).shard_images);
  options.shuffle_seed.reset();
  options.jobs = a.jobs > 0 ? a.jobs : std::max(1U, std::thread::hardware_concurrency());
  if (a.resume) options.existing = Existing::kResume;
  if (a.overwrite) options.existing = Existing::kOverwrite;
  return options;
}

// Stores the encoded records of data sets in the form of `like` unchanged.
void keep_records(BuildOptions& options, const Dataset& like) {
  options.storage = like.form().storage;
  options.copies_records = options.storage.is_encoded();
  if (options.storage.kind == StorageKind::kKeep) options.target = like.form().target;
}

BuildReport copy_images(std::unique_ptr<ImageSource> images, BuildOptions options,
                        const CopyArguments& a) {
  const std::unique_ptr<ImageSource> source = with_label_names(std::move(images), a.label_names);
  BuildReport report;
  {
    BarProgress bar;
    options.progress = [&bar](const BuildProgress& progress) { bar.show(progress); };
    report = build_dataset(*source, options);
  }
  return report;
}

namespace {

void copy(std::unique_ptr<ImageSource> images, const BuildOptions& options,
          const CopyArguments& a) {
  const BuildReport report = copy_images(std::move(images), options, a);
  print_result(
      a.json, [&] { return to_json(report, options); }, [&] { return to_text(report, options); });
}

void require_images(const std::vector<std::uint64_t>& indices, const std::string& what) {
  if (indices.empty()) throw Error(ExitCode::kUsage, "{} has no image", what);
}

struct SubsetArguments {
  std::string directory;
  ImageChoice choice;
  std::string names_file;
  CopyArguments copy;
};

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : read_file(file, {.takes_pipes = true}) + "\n") {
    if (c != '\n' && c != '\r') {
      line += c;
    } else if (!line.empty()) {
      lines.push_back(std::exchange(line, {}));
    }
  }
  return lines;
}

void make_subset(SubsetArguments a) {
  const std::shared_ptr<const Dataset> dataset = Dataset::open(a.directory);
  if (!a.names_file.empty()) a.choice.names = lines_of(a.names_file);
  std::vector<std::uint64_t> indices = choose_images(*dataset, a.choice);
  require_images(indices, "the subset");
  BuildOptions options = copy_options(a.copy, a.copy.destination, *dataset);
  keep_records(options, *dataset);
  copy(std::make_unique<DatasetImages>(dataset, std::move(indices), options.copies_records),
       options, a.copy);
}

struct SplitArguments {
  std::string directory;
  std::vector<std::string> parts;  // "train=0.9"
  std::uint64_t seed = 0;
  CopyArguments copy;
};

// Names and shares; the shares add up to 1.
std::pair<std::vector<std::string>, std::vector<double>> parse_parts(
    const std::vector<std::string>& parts) {
  std::vector<std::string> names;
  std::vector<double> shares;
  double sum = 0;
  for (const std::string& part : parts) {
    const auto equals = part.find('=');
    double share = 0;
    const char* const begin = part.data() + std::min(part.size(), equals + 1);
    const auto [end, status] = std::from_chars(begin, part.data() + part.size(), share);
    if (equals == std::string::npos || equals == 0 || status != std::errc() ||
        end != part.data() + part.size() || !(share > 0) || part.find('/') < equals)
      throw Error(ExitCode::kUsage, "{}: write NAME=SHARE, such as train=0.9", part);
    names.push_back(part.substr(0, equals));
    shares.push_back(share);
    sum += share;
  }
  constexpr double kTolerance = 1e-9;
  if (names.size() < 2 || std::abs(sum - 1) > kTolerance)
    throw Error(ExitCode::kUsage,
                "the shares of {} parts add up to {}; write two or more that add up to 1, such as "
                "train=0.9 validation=0.1",
                names.size(), sum);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (std::ranges::count(names, names[i]) > 1)
      throw Error(ExitCode::kUsage, "the part {} is named twice", names[i]);
  return {std::move(names), std::move(shares)};
}

void make_split(const SplitArguments& a) {
  const auto [names, shares] = parse_parts(a.parts);
  const std::shared_ptr<const Dataset> dataset = Dataset::open(a.directory);
  const std::vector<std::vector<std::uint64_t>> parts = split_images(*dataset, shares, a.seed);
  for (std::size_t i = 0; i < names.size(); ++i)
    require_images(parts[i], fmt::format("the part {}", names[i]));
  for (std::size_t i = 0; i < names.size(); ++i)
    check_destination(fs::path(a.copy.destination) / names[i],
                      copy_options(a.copy, {}, *dataset).existing);
  for (std::size_t i = 0; i < names.size(); ++i) {
    BuildOptions options = copy_options(a.copy, fs::path(a.copy.destination) / names[i], *dataset);
    keep_records(options, *dataset);
    copy(std::make_unique<DatasetImages>(dataset, parts[i], options.copies_records), options,
         a.copy);
  }
}

struct MergeArguments {
  std::vector<std::string> directories;
  std::optional<std::uint64_t> shuffle_seed;
  CopyArguments copy;
};

void merge(const MergeArguments& a) {
  std::vector<std::shared_ptr<const Dataset>> datasets;
  for (const std::string& directory : a.directories) {
    datasets.push_back(Dataset::open(directory));
    const Dataset& first = *datasets.front();
    const Dataset& last = *datasets.back();
    if (last.height() != first.height() || last.width() != first.width() ||
        last.channels() != first.channels())
      throw Error(
          ExitCode::kUsage,
          "{} holds images of {}x{}x{}, and {} of {}x{}x{}; make them equal with valley shard "
          "reshard",
          first.directory().string(), first.width(), first.height(), first.channels(), directory,
          last.width(), last.height(), last.channels());
  }
  const std::vector<std::string> names = unique_names(a.directories);
  BuildOptions options = copy_options(a.copy, a.copy.destination, *datasets.front());
  if (std::ranges::all_of(datasets,
                          [&](const auto& each) { return each->form() == datasets[0]->form(); }))
    keep_records(options, *datasets.front());
  std::vector<NamedSource> sources;
  for (std::size_t i = 0; i < datasets.size(); ++i)
    sources.push_back({names[i], std::make_unique<DatasetImages>(datasets[i], std::nullopt,
                                                                 options.copies_records)});
  options.shuffle_seed = a.shuffle_seed;
  copy(std::make_unique<SeveralSources>(std::move(sources)), options, a.copy);
}

struct ReshardArguments {
  std::string directory;
  std::optional<std::int64_t> resolution;
  std::string filter{filter_name(Filter::kLanczos)};
  std::optional<std::string> storage;
  std::optional<std::uint64_t> shuffle_seed;
  CopyArguments copy;
};

// Without --storage the records are kept, or pixels are stored at another resolution.
void choose_storage(const ReshardArguments& a, const Dataset& dataset, BuildOptions& options) {
  const Storage own = dataset.form().storage;
  const Storage wanted = a.storage ? parse_storage(*a.storage) : a.resolution ? Storage{} : own;
  if (wanted == own && !a.resolution) {
    keep_records(options, dataset);
    return;
  }
  if (wanted.kind == StorageKind::kKeep)
    throw Error(ExitCode::kUsage,
                "--storage keep: {} {}; use raw or jpeg:Q, or build the data set again from its "
                "source",
                a.directory,
                own.kind == StorageKind::kKeep ? "can keep its files only at its own resolution"
                                               : "does not hold the files of its source");
  options.storage = wanted;
}

void reshard(const ReshardArguments& a) {
  const std::shared_ptr<const Dataset> dataset = Dataset::open(a.directory);
  BuildOptions options = copy_options(a.copy, a.copy.destination, *dataset);
  if (a.resolution) {
    if (dataset->height() != dataset->width() || *a.resolution > dataset->height())
      throw Error(ExitCode::kUsage,
                  "--resolution {}: {} holds images of {}x{}; only square ones can be made smaller "
                  "here, and none larger: build the data set again from its source",
                  *a.resolution, a.directory, dataset->width(), dataset->height());
    options.target.height = options.target.width = *a.resolution;
    options.target.filter = parse_filter(a.filter);
  }
  options.shuffle_seed = a.shuffle_seed;
  choose_storage(a, *dataset, options);
  copy(std::make_unique<DatasetImages>(dataset, std::nullopt, options.copies_records), options,
       a.copy);
}

}  // namespace

void add_shard_subset(CLI::App& shard) {
  auto a = std::make_shared<SubsetArguments>();
  CLI::App* command = shard.add_subcommand(
      "subset",
      "Copy a part of a data set, with its order, names, labels and pixels.\n\n"
      "Examples:\n"
      "  valley shard subset data/imagenet-64 --class 'tabby cat' --class 7 --dest data/two\n"
      "  valley shard subset data/faces-64 --random 5000 --dest data/faces-5k\n"
      "  valley shard subset data/faces-64 --names good.txt --dest data/good");
  command->add_option("directory", a->directory, "A folder of shards")->required();
  command->add_option("--dest", a->copy.destination, "The folder to create")->required();
  command->add_option("--class", a->choice.classes, "Name or number of a class; repeatable")
      ->type_name("CLASS");
  command->add_option("--names", a->names_file, "Text file with the name of an image per line")
      ->type_name("FILE");
  command->add_option("--random", a->choice.random, "Number of images, chosen at random by --seed")
      ->transform(number_range<std::uint64_t>());
  command->add_option("--first", a->choice.first, "Number of images from the beginning")
      ->transform(number_range<std::uint64_t>());
  command->add_option("--seed", a->choice.seed, "Seed of --random")->capture_default_str();
  add_copy_options(*command, a->copy);
  command->callback([a] { make_subset(*a); });
}

void add_shard_split(CLI::App& shard) {
  auto a = std::make_shared<SplitArguments>();
  CLI::App* command = shard.add_subcommand(
      "split",
      "Split a data set into parts without common images, with the same share of every class.\n\n"
      "Examples:\n"
      "  valley shard split data/faces-64 train=0.95 validation=0.05 --dest data/faces-split\n"
      "makes data/faces-split/train and data/faces-split/validation. The seed and the names of the "
      "images decide, not their order.");
  command->add_option("directory", a->directory, "A folder of shards")->required();
  command->add_option("parts", a->parts, "NAME=SHARE of each part; the shares add up to 1")
      ->required()
      ->type_name("NAME=SHARE ...");
  command->add_option("--dest", a->copy.destination, "The folder of the parts")->required();
  command->add_option("--seed", a->seed, "Seed of the choice")->capture_default_str();
  add_copy_options(*command, a->copy);
  command->callback([a] { make_split(*a); });
}

void add_shard_merge(CLI::App& shard) {
  auto a = std::make_shared<MergeArguments>();
  CLI::App* command = shard.add_subcommand(
      "merge",
      "Make one data set of several with images of one shape. Classes of equal names become one; "
      "names of images begin with that of their folder.\n\n"
      "Examples:\n"
      "  valley shard merge data/cats-64 data/dogs-64 --dest data/pets-64 --shuffle-seed 0");
  command->add_option("directories", a->directories, "Folders of shards")
      ->required()
      ->expected(2, -1);
  command->add_option("--dest", a->copy.destination, "The folder to create")->required();
  command->add_option("--shuffle-seed", a->shuffle_seed, "Shuffle; default: one after the other")
      ->transform(number_range<std::uint64_t>());
  add_copy_options(*command, a->copy);
  command->callback([a] { merge(*a); });
}

void add_shard_reshard(CLI::App& shard) {
  auto a = std::make_shared<ReshardArguments>();
  CLI::App* command = shard.add_subcommand(
      "reshard",
      "Copy a data set with other shards, another order, a lower resolution or another storage.\n\n"
      "Examples:\n"
      "  valley shard reshard data/faces-256 --shard-images 1024 --dest data/faces-256-small\n"
      "  valley shard reshard data/faces-256 --resolution 64 --dest data/faces-64\n"
      "With other shards only, the fingerprint stays the same, so runs can resume on the copy.");
  command->add_option("directory", a->directory, "A folder of shards")->required();
  command->add_option("--dest", a->copy.destination, "The folder to create")->required();
  command->add_option("--resolution", a->resolution, "Lower resolution of square images, in pixels")
      ->transform(number_range<std::int64_t>(1, 16384));
  command->add_option("--filter", a->filter, "Filter of --resolution")
      ->check(CLI::IsMember(filter_names()))
      ->capture_default_str();
  command
      ->add_option("--storage", a->storage,
                   "Stored form, as of valley shard build [that of the source; raw with "
                   "--resolution]")
      ->type_name("raw|jpeg:Q|keep");
  command->add_option("--shuffle-seed", a->shuffle_seed, "New order; default: the order is kept")
      ->transform(number_range<std::uint64_t>());
  add_copy_options(*command, a->copy);
  command->callback([a] { reshard(*a); });
}

}  // namespace valley::app
