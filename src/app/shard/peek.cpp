#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

#include "app/options.h"
#include "app/print_result.h"
#include "app/shard/subcommands.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/order.h"
#include "experiment/experiment.h"
#include "record/image_grid.h"

namespace valley::app {
namespace {

struct PeekArguments {
  std::string directory;
  std::string grid = "8x8";
  std::string out;
  std::optional<std::uint64_t> seed;
  bool shuffle = false;
  std::optional<std::int64_t> label;
  bool json = false;
};

std::vector<std::uint64_t> images_with_label(const Dataset& dataset,
                                             const std::optional<std::int64_t>& label) {
  std::vector<std::uint64_t> images;
  for (std::uint64_t i = 0; i < dataset.size(); ++i) {
    if (!label || dataset.label(i) == *label) images.push_back(i);
  }
  return images;
}

// At most `max_count` matching images, in the data set's order or in a random one.
std::vector<std::uint64_t> choose(const Dataset& dataset, const PeekArguments& arguments,
                                  std::uint64_t max_count) {
  const std::vector<std::uint64_t> images = images_with_label(dataset, arguments.label);
  if (images.empty())
    throw Error(ExitCode::kUsage,
                "{} holds no image with label {}; valley shard info {} lists the classes",
                arguments.directory, arguments.label.value_or(-1), arguments.directory);
  const FeistelPermutation shuffled(
      images.size(),
      hash64(arguments.seed.value_or(0), hash64("valley shard peek"), images.size()));
  const bool is_shuffled = arguments.shuffle || arguments.seed;
  std::vector<std::uint64_t> chosen;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(max_count, images.size()); ++i)
    chosen.push_back(images[is_shuffled ? shuffled(i) : i]);
  return chosen;
}

std::string class_text(const Dataset& dataset, std::int64_t label) {
  const auto index = static_cast<std::size_t>(label);
  if (label < 0) return "-";
  return index < dataset.class_names().size() ? printable_line(dataset.class_names()[index])
                                              : fmt::to_string(label);
}

std::string to_json(const Dataset& dataset, const std::vector<std::uint64_t>& chosen,
                    const PeekArguments& arguments, const Grid& grid) {
  nlohmann::ordered_json images = nlohmann::ordered_json::array();
  for (const std::uint64_t i : chosen)
    images.push_back({{"index", i}, {"name", dataset.name(i)}, {"label", dataset.label(i)}});
  const nlohmann::ordered_json root = {{"file", arguments.out},
                                       {"columns", grid.columns},
                                       {"of", dataset.size()},
                                       {"class_names", dataset.class_names()},
                                       {"images", images}};
  return write_json(root, 1);
}

std::string to_text(const Dataset& dataset, const std::vector<std::uint64_t>& chosen,
                    const PeekArguments& arguments, const Grid& grid) {
  std::string text;
  for (std::size_t cell = 0; cell < chosen.size(); ++cell) {
    const auto columns = static_cast<std::size_t>(grid.columns);
    text += fmt::format("{},{}\t{}\t{}\t{}\n", cell / columns + 1, cell % columns + 1, chosen[cell],
                        class_text(dataset, dataset.label(chosen[cell])),
                        printable_line(dataset.name(chosen[cell])));
  }
  return text + fmt::format("{}: {} of {} images of {}x{}x{}\n", arguments.out, chosen.size(),
                            dataset.size(), dataset.width(), dataset.height(), dataset.channels());
}

void peek(const PeekArguments& arguments) {
  constexpr int kMaxPerSide = 256;
  const Grid grid = parse_grid(arguments.grid, "--grid", ExitCode::kUsage, kMaxPerSide);
  const std::unique_ptr<Dataset> dataset = Dataset::open(arguments.directory);
  const std::vector<std::uint64_t> chosen =
      choose(*dataset, arguments, static_cast<std::uint64_t>(grid.columns * grid.rows));
  const std::uint64_t bytes = dataset->image_bytes();
  std::vector<std::uint8_t> pixels(chosen.size() * bytes);
  for (std::size_t i = 0; i < chosen.size(); ++i)
    dataset->read(chosen[i], std::span(pixels).subspan(i * bytes, bytes), true);
  const auto shown = static_cast<std::int64_t>(chosen.size());
  write_grid(arguments.out, pixels, shown, dataset->height(), dataset->width(), dataset->channels(),
             std::min<std::int64_t>(grid.columns, shown));
  print_result(
      arguments.json, [&] { return to_json(*dataset, chosen, arguments, grid); },
      [&] { return to_text(*dataset, chosen, arguments, grid); });
}

}  // namespace

void add_shard_peek(CLI::App& shard) {
  auto arguments = std::make_shared<PeekArguments>();
  CLI::App* command = shard.add_subcommand(
      "peek",
      "Draw images of a data set into one PNG and list them: row and column, index, class, "
      "name.\n\n"
      "Examples:\n"
      "  valley shard peek data/photos-256 -o peek.png                       the first 64\n"
      "  valley shard peek data/photos-256 --shuffle --grid 12x4 -o peek.png  48 random\n"
      "  valley shard peek data/photos-256 --label 3 -o peek.png              one class");
  command->add_option("directory", arguments->directory, "A folder of shards")->required();
  command->add_option("-o,--out", arguments->out, "The PNG to write")
      ->required()
      ->check(png_name())
      ->type_name("FILE.png");
  command->add_option("--grid", arguments->grid, "Columns x rows of the PNG, at most")
      ->capture_default_str();
  command->add_flag("--shuffle", arguments->shuffle,
                    "Draw random images instead of the first ones");
  command->add_option("--seed", arguments->seed, "Seed of --shuffle, which it implies [0]")
      ->transform(number_range<std::uint64_t>());
  command
      ->add_option("--label", arguments->label,
                   "Draw images of this class only; -1: images without a label")
      ->transform(number_range<std::int64_t>(-1));
  add_json_option(*command, arguments->json);
  command->callback([arguments] { peek(*arguments); });
}

}  // namespace valley::app
