#include "tools/dedupe.h"

#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/options.h"
#include "app/print_result.h"
#include "app/progress.h"
#include "app/shard/copies.h"
#include "app/shard/subcommands.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/destination.h"
#include "record/captioned_images.h"
#include "sources/dataset_images.h"
#include "sources/several_sources.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;
using Datasets = std::vector<std::shared_ptr<const Dataset>>;

struct DedupeArguments {
  std::vector<std::string> directories;
  DedupeOptions search;
  std::string sheet;
  CopyArguments copy;
};

std::string name_at(const Datasets& datasets, const ImagePlace& place) {
  return datasets[place.dataset]->name(place.index);
}

nlohmann::ordered_json place_json(const Datasets& datasets, const ImagePlace& place) {
  const Dataset& dataset = *datasets[place.dataset];
  return {{"directory", dataset.directory().string()},
          {"index", place.index},
          {"name", dataset.name(place.index)},
          {"label", dataset.label(place.index)}};
}

std::string dedupe_to_json(const DedupeReport& report, const Datasets& datasets) {
  nlohmann::ordered_json groups = nlohmann::ordered_json::array();
  for (const CopyGroup& group : report.groups) {
    nlohmann::ordered_json copies = nlohmann::ordered_json::array();
    for (const ImageCopy& copy : group.copies) {
      copies.push_back(place_json(datasets, copy.place));
      copies.back()["kind"] = copy.is_exact ? "exact" : "near";
      copies.back()["distance"] = copy.distance;
    }
    groups.push_back({{"kept", place_json(datasets, group.kept)}, {"copies", copies}});
  }
  const nlohmann::ordered_json root = {{"images", report.images},
                                       {"exact", report.exact},
                                       {"near", report.near},
                                       {"between_directories", report.leaks},
                                       {"candidates", report.candidates},
                                       {"seconds", report.seconds},
                                       {"groups", groups}};
  return write_json(root, 1);
}

std::string dedupe_to_text(const DedupeReport& report, const Datasets& datasets) {
  std::string text;
  const auto line = [&](std::string_view kind, const std::string& distance,
                        const ImagePlace& place) {
    const std::string where =
        datasets.size() > 1 ? printable_line(datasets[place.dataset]->directory().string()) + "\t"
                            : "";
    return fmt::format("{}\t{}\t{}{}\t{}\n", kind, distance, where, place.index,
                       printable_line(name_at(datasets, place)));
  };
  for (const CopyGroup& group : report.groups) {
    text += line("kept", "-", group.kept);
    for (const ImageCopy& copy : group.copies)
      text +=
          line(copy.is_exact ? "exact" : "near", fmt::format("{:.3f}", copy.distance), copy.place);
  }
  text += fmt::format("{} images: {} exact and {} near copies of {} images", report.images,
                      report.exact, report.near, report.groups.size());
  if (datasets.size() > 1)
    text += fmt::format(", {} of them in another folder than the kept image", report.leaks);
  return text + fmt::format(" ({:.1f} s)\n", report.seconds);
}

CaptionedImage sheet_image(const Datasets& datasets, const ImagePlace& place,
                           const std::string& caption) {
  const Dataset& dataset = *datasets[place.dataset];
  CaptionedImage image;
  image.pixels.resize(dataset.image_bytes());
  dataset.read(place.index, image.pixels, true);
  image.lines = {caption, name_at(datasets, place)};
  return image;
}

// Pairs of a kept image and a copy, the least similar first, which are those to look at.
void write_sheet(const DedupeArguments& a, const DedupeReport& report, const Datasets& datasets) {
  constexpr std::size_t kMaxPairs = 200;
  constexpr std::int64_t kColumns = 8;
  std::vector<std::pair<ImagePlace, ImageCopy>> pairs;
  for (const CopyGroup& group : report.groups)
    for (const ImageCopy& copy : group.copies) pairs.emplace_back(group.kept, copy);
  std::ranges::stable_sort(pairs, std::ranges::greater{},
                           [](const auto& pair) { return pair.second.distance; });
  CaptionedBlock block{
      fmt::format("{} of {} pairs", std::min(kMaxPairs, pairs.size()), pairs.size()), {}};
  for (std::size_t i = 0; i < std::min(kMaxPairs, pairs.size()); ++i) {
    const auto& [kept, copy] = pairs[i];
    block.images.push_back(sheet_image(datasets, kept, "kept"));
    block.images.push_back(sheet_image(
        datasets, copy.place, copy.is_exact ? "exact" : fmt::format("{:.3f}", copy.distance)));
  }
  const Dataset& like = *datasets.front();
  write_captioned(a.sheet, {block}, like.height(), like.width(), like.channels(), kColumns);
}

// Writes the images that are not copies: of each data set into its folder if there are several.
void write_kept(const DedupeArguments& a, const DedupeReport& report, const Datasets& datasets) {
  std::vector<std::vector<bool>> is_copy;
  for (const auto& dataset : datasets) is_copy.emplace_back(dataset->size());
  for (const CopyGroup& group : report.groups)
    for (const ImageCopy& copy : group.copies) is_copy[copy.place.dataset][copy.place.index] = true;
  const std::vector<std::string> names = unique_names(a.directories);
  for (std::size_t d = 0; d < datasets.size(); ++d) {
    std::vector<std::uint64_t> kept;
    for (std::uint64_t i = 0; i < datasets[d]->size(); ++i)
      if (!is_copy[d][i]) kept.push_back(i);
    const fs::path folder = a.copy.destination;
    if (kept.empty())
      throw Error(ExitCode::kUsage,
                  "every image of {} is a copy of one of another folder, so nothing of it is kept",
                  a.directories[d]);
    copy_images(
        std::make_unique<DatasetImages>(datasets[d], std::move(kept)),
        copy_options(a.copy, datasets.size() == 1 ? folder : folder / names[d], *datasets[d]),
        a.copy);
  }
}

// Fails before the search, which may take long.
void check_outputs(const DedupeArguments& a, const Datasets& datasets) {
  if (!a.sheet.empty()) {
    require_writable(a.sheet);
    for (const auto& dataset : datasets)
      if (dataset->image_bytes() != datasets.front()->image_bytes() ||
          dataset->width() != datasets.front()->width())
        throw Error(ExitCode::kUsage, "--sheet needs images of one shape, but {} and {} differ",
                    datasets.front()->directory().string(), dataset->directory().string());
  }
  if (a.copy.destination.empty()) return;
  const fs::path folder = a.copy.destination;
  const std::vector<std::string> names = unique_names(a.directories);
  for (std::size_t d = 0; d < datasets.size(); ++d)
    check_destination(datasets.size() == 1 ? folder : folder / names[d],
                      copy_options(a.copy, folder, *datasets[d]).existing);
}

void run_dedupe(DedupeArguments a) {
  Datasets datasets;
  for (const std::string& directory : a.directories) datasets.push_back(Dataset::open(directory));
  check_outputs(a, datasets);
  a.search.jobs = a.copy.jobs > 0 ? a.copy.jobs : std::max(1U, std::thread::hardware_concurrency());
  DedupeReport report;
  {
    WorkProgress progress("dedupe");
    a.search.progress = [&progress](std::string_view phase, double share) {
      progress.show(std::string(phase), share);
    };
    report = find_copies(datasets, a.search);
  }
  if (!a.sheet.empty() && !report.groups.empty()) write_sheet(a, report, datasets);
  if (!a.copy.destination.empty()) write_kept(a, report, datasets);
  print_result(
      a.copy.json, [&] { return dedupe_to_json(report, datasets); },
      [&] { return dedupe_to_text(report, datasets); });
}

}  // namespace

void add_shard_dedupe(CLI::App& shard) {
  auto a = std::make_shared<DedupeArguments>();
  CLI::App* command = shard.add_subcommand(
      "dedupe",
      "List copies of images: exact ones, and near ones that are rescaled, recompressed or cropped "
      "by a few percent. The first image in order is kept. With several folders, also copies "
      "between them, such as images of a training set in the validation set.\n\n"
      "Examples:\n"
      "  valley shard dedupe data/photos-64 --sheet copies.png\n"
      "  valley shard dedupe data/photos-64 --dest data/photos-64-unique\n"
      "  valley shard dedupe data/split/train data/split/validation --json");
  command->add_option("directories", a->directories, "Folders of shards")->required();
  command->add_flag("--exact", a->search.exact_only, "Find exact copies only");
  command
      ->add_option("--max-distance", a->search.max_distance,
                   "Largest distance of near copies; lower values find fewer")
      ->transform(number_range<double>(0, 100))
      ->capture_default_str();
  command->add_option("--sheet", a->sheet, "PNG to write: pairs, the least similar first")
      ->check(png_name())
      ->type_name("FILE.png");
  command->add_option("--dest", a->copy.destination,
                      "Folder to create: the data set without copies, or a folder for each");
  add_copy_options(*command, a->copy);
  command->callback([a] { run_dedupe(*a); });
}

}  // namespace valley::app
