#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/options.h"
#include "app/print_result.h"
#include "app/shard/subcommands.h"
#include "core/error.h"
#include "tools/compare.h"

namespace valley::app {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kShownImages = 20;

struct DiffArguments {
  std::string a;
  std::string b;
  bool json = false;
};

ordered_json image_json(const ComparedImage& image) {
  return {{"name", image.name}, {"index", image.index}, {"label", image.label}};
}

ordered_json pairs_json(const std::vector<ImagePair>& pairs) {
  ordered_json list = ordered_json::array();
  for (const ImagePair& pair : pairs)
    list.push_back({{"a", image_json(pair.a)}, {"b", image_json(pair.b)}});
  return list;
}

ordered_json images_json(const std::vector<ComparedImage>& images) {
  ordered_json list = ordered_json::array();
  for (const ComparedImage& image : images) list.push_back(image_json(image));
  return list;
}

std::string diff_to_json(const Comparison& found) {
  ordered_json settings = ordered_json::object();
  for (const SettingDifference& one : found.settings)
    settings[one.setting] = {{"a", parse_json<ordered_json>(one.in_a, one.setting)},
                             {"b", parse_json<ordered_json>(one.in_b, one.setting)}};
  const ordered_json root = {{"same_content", found.same_content()},
                             {"same_shape", found.same_shape},
                             {"same_class_names", found.same_class_names},
                             {"same_fingerprint", found.same_fingerprint},
                             {"images_a", found.images_a},
                             {"images_b", found.images_b},
                             {"settings", settings},
                             {"only_a", images_json(found.only_a)},
                             {"only_b", images_json(found.only_b)},
                             {"renamed", pairs_json(found.renamed)},
                             {"other_pixels", pairs_json(found.other_pixels)},
                             {"other_label", pairs_json(found.other_label)},
                             {"moved", pairs_json(found.moved)}};
  return write_json(root, 1);
}

// A heading with the count, and a line for each of the first images.
template <typename Item>
std::string diff_section(const std::string& title, const std::vector<Item>& items,
                         const std::function<std::string(const Item&)>& line) {
  if (items.empty()) return {};
  std::string text = fmt::format("{}: {}\n", title, items.size());
  for (std::size_t i = 0; i < std::min(kShownImages, items.size()); ++i)
    text += fmt::format("  {}\n", printable_line(line(items[i])));
  if (items.size() > kShownImages)
    text += fmt::format("  and {} more (--json lists all)\n", items.size() - kShownImages);
  return text;
}

std::string diff_to_text(const Comparison& found, const DiffArguments& a) {
  constexpr std::size_t kMaxValue = 60;
  const auto value = [](const std::string& json) {
    return json.size() <= kMaxValue ? json : json.substr(0, kMaxValue) + "...";
  };
  const auto one = [](const ComparedImage& image) {
    return fmt::format("{} (image {})", image.name, image.index);
  };
  std::string text =
      fmt::format("A  {}: {} images\nB  {}: {} images\n", a.a, found.images_a, a.b, found.images_b);
  text += diff_section<SettingDifference>("other settings", found.settings, [&](const auto& s) {
    return fmt::format("{}: {} in A, {} in B", s.setting, value(s.in_a), value(s.in_b));
  });
  text += diff_section<ComparedImage>("only in A", found.only_a, one);
  text += diff_section<ComparedImage>("only in B", found.only_b, one);
  text += diff_section<ImagePair>("same checksum, other name", found.renamed, [](const auto& p) {
    return fmt::format("{} in A, {} in B", p.a.name, p.b.name);
  });
  text += diff_section<ImagePair>("other pixels", found.other_pixels,
                                  [&](const auto& p) { return one(p.a); });
  text += diff_section<ImagePair>("other label", found.other_label, [](const auto& p) {
    return fmt::format("{}: {} in A, {} in B", p.a.name, p.a.label, p.b.label);
  });
  text += diff_section<ImagePair>("moved", found.moved, [](const auto& p) {
    return fmt::format("{}: from {} to {}", p.a.name, p.a.index, p.b.index);
  });
  return text + (found.same_content() ? "the contents are equal\n" : "");
}

void diff(const DiffArguments& a) {
  const Comparison found = compare_datasets(a.a, a.b);
  print_result(
      a.json, [&] { return diff_to_json(found); }, [&] { return diff_to_text(found, a); });
  std::fflush(stdout);
  if (!found.same_content())
    throw Error(ExitCode::kData, "{} and {} differ (differences are on stdout)", a.a, a.b);
}

}  // namespace

void add_shard_diff(CLI::App& shard) {
  auto a = std::make_shared<DiffArguments>();
  CLI::App* command = shard.add_subcommand(
      "diff",
      "List what differs between two data sets: settings, classes, images in one of them only, "
      "renamed images, other pixels or labels, and order. Exits with code 0 if shape, class names, "
      "images, labels and order are equal, else with 65.\n\n"
      "Examples:\n"
      "  valley shard diff data/faces-64 data/faces-64-new\n"
      "  valley shard diff data/faces-64 data/faces-64-new --json");
  command->add_option("a", a->a, "A folder of shards")->required();
  command->add_option("b", a->b, "The folder to compare with it")->required();
  add_json_option(*command, a->json);
  command->callback([a] { diff(*a); });
}

}  // namespace valley::app
