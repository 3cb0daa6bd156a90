#include "app/shard_peek.h"

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

#include "app/option_checks.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
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

std::vector<std::uint64_t> images_with(const Dataset& dataset,
                                       const std::optional<std::int64_t>& label) {
  std::vector<std::uint64_t> images;
  for (std::uint64_t i = 0; i < dataset.size(); ++i) {
    if (!label || dataset.label(i) == *label) images.push_back(i);
  }
  return images;
}

// The first `most` of those that are asked for, in the data set's order or in a drawn one.
std::vector<std::uint64_t> choose(const Dataset& dataset, const PeekArguments& arguments,
                                  std::uint64_t most) {
  const std::vector<std::uint64_t> images = images_with(dataset, arguments.label);
  if (images.empty())
    throw Error(ExitCode::kUsage,
                "{} holds no image with label {}; valley shard info {} lists the "
                "classes",
                arguments.directory, arguments.label.value_or(-1), arguments.directory);
  const FeistelPermutation drawn(images.size(), hash64(arguments.seed.value_or(0),
                                                       hash64("valley shard peek"), images.size()));
  const bool is_drawn = arguments.shuffle || arguments.seed;
  std::vector<std::uint64_t> chosen;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(most, images.size()); ++i)
    chosen.push_back(images[is_drawn ? drawn(i) : i]);
  return chosen;
}

std::string class_text(const Dataset& dataset, std::int64_t label) {
  const auto index = static_cast<std::size_t>(label);
  if (label < 0) return "-";
  return index < dataset.class_names().size() ? printable_line(dataset.class_names()[index])
                                              : fmt::to_string(label);
}

void print_json(const Dataset& dataset, const std::vector<std::uint64_t>& chosen,
                const PeekArguments& arguments, const Grid& grid) {
  nlohmann::ordered_json images = nlohmann::ordered_json::array();
  for (const std::uint64_t i : chosen)
    images.push_back({{"index", i}, {"name", dataset.name(i)}, {"label", dataset.label(i)}});
  const nlohmann::ordered_json root = {{"file", arguments.out},
                                       {"columns", grid.columns},
                                       {"of", dataset.size()},
                                       {"class_names", dataset.class_names()},
                                       {"images", images}};
  print_json_text(write_json(root, 1));
}

void print_text(const Dataset& dataset, const std::vector<std::uint64_t>& chosen,
                const PeekArguments& arguments, const Grid& grid) {
  for (std::size_t cell = 0; cell < chosen.size(); ++cell) {
    const auto columns = static_cast<std::size_t>(grid.columns);
    print_to_stdout("{},{}\t{}\t{}\t{}\n", cell / columns + 1, cell % columns + 1, chosen[cell],
                    class_text(dataset, dataset.label(chosen[cell])),
                    printable_line(dataset.name(chosen[cell])));
  }
  print_to_stdout("{}: {} of {} images of {}x{}x{}\n", arguments.out, chosen.size(), dataset.size(),
                  dataset.width(), dataset.height(), dataset.channels());
}

void peek(const PeekArguments& arguments) {
  constexpr int kMost = 256;  // a side
  const Grid grid = parse_grid(arguments.grid, "--grid", ExitCode::kUsage, kMost);
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
  if (arguments.json) {
    print_json(*dataset, chosen, arguments, grid);
  } else {
    print_text(*dataset, chosen, arguments, grid);
  }
}

}  // namespace

void add_shard_peek(CLI::App& shard) {
  auto arguments = std::make_shared<PeekArguments>();
  CLI::App* command = shard.add_subcommand(
      "peek",
      "Draw images of a data set as one PNG and list them: row and column, index, class, name.\n\n"
      "Examples:\n"
      "  valley shard peek data/photos-256 -o peek.png                       the first 64\n"
      "  valley shard peek data/photos-256 --shuffle --grid 12x4 -o peek.png  any 48\n"
      "  valley shard peek data/photos-256 --label 3 -o peek.png              of one class");
  command->add_option("directory", arguments->directory, "What valley shard build made")
      ->required();
  command->add_option("-o,--out", arguments->out, "The PNG to write")
      ->required()
      ->check(png_name())
      ->type_name("FILE.png");
  command->add_option("--grid", arguments->grid, "Columns x rows of the picture, at most")
      ->capture_default_str();
  command->add_flag("--shuffle", arguments->shuffle, "Any images instead of the first");
  command
      ->add_option("--seed", arguments->seed, "Which ones --shuffle draws, and the same as it [0]")
      ->transform(number_range<std::uint64_t>());
  command->add_option("--label", arguments->label, "Only images of this class; -1: of none")
      ->transform(number_range<std::int64_t>(-1));
  command->add_flag("--json", arguments->json, "The list as JSON");
  command->callback([arguments] { peek(*arguments); });
}

}  // namespace valley::app
