#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/options.h"
#include "app/print_result.h"
#include "app/shard/subcommands.h"
#include "core/text.h"
#include "data/manifest.h"
#include "data/storage.h"

namespace valley::app {
namespace {

using nlohmann::ordered_json;

struct InfoArguments {
  std::string directory;
  bool json = false;
};

struct ClassCount {
  std::int64_t label = -1;
  std::string name;  // "" without class names
  std::uint64_t images = 0;
  double share = 0;  // of all images
};

// Balance of the classes; images without a label do not count.
struct ClassBalance {
  std::size_t classes = 0;  // with at least one image
  ClassCount smallest;
  ClassCount largest;
  double ratio = 1;    // largest to smallest
  double entropy = 0;  // bits; log2(classes) if all are equal
};

// Every named class, also those without images, and every other label.
std::vector<ClassCount> count_images(const Manifest& manifest) {
  std::map<std::int64_t, std::uint64_t> images = manifest.class_histogram;
  for (std::size_t i = 0; i < manifest.class_names.size(); ++i)
    images.try_emplace(static_cast<std::int64_t>(i), 0);
  std::vector<ClassCount> counts;
  for (const auto& [label, n] : images) {
    const bool is_named =
        label >= 0 && static_cast<std::size_t>(label) < manifest.class_names.size();
    const double all = std::max(1.0, static_cast<double>(manifest.images));
    counts.push_back({label, is_named ? manifest.class_names[static_cast<std::size_t>(label)] : "",
                      n, static_cast<double>(n) / all});
  }
  return counts;
}

ClassBalance balance_of(const std::vector<ClassCount>& counts) {
  ClassBalance balance;
  double labeled = 0;
  for (const ClassCount& one : counts) {
    if (one.label < 0 || one.images == 0) continue;
    if (balance.classes == 0 || one.images < balance.smallest.images) balance.smallest = one;
    if (balance.classes == 0 || one.images > balance.largest.images) balance.largest = one;
    ++balance.classes;
    labeled += static_cast<double>(one.images);
  }
  if (balance.classes == 0) return balance;
  for (const ClassCount& one : counts) {
    if (one.label < 0 || one.images == 0) continue;
    const double share = static_cast<double>(one.images) / labeled;
    balance.entropy -= share * std::log2(share);
  }
  balance.ratio =
      static_cast<double>(balance.largest.images) / static_cast<double>(balance.smallest.images);
  return balance;
}

std::string class_text(const ClassCount& one) {
  if (one.label < 0) return "none";
  return one.name.empty() ? fmt::to_string(one.label) : printable_line(one.name);
}

std::string manifest_to_json(const Manifest& manifest) {
  ordered_json root = parse_json<ordered_json>(to_json(manifest), "the manifest");
  const std::size_t shards = manifest.shards.size();
  root.erase("shards");
  root["shards"] = shards;
  root["bytes"] = manifest.bytes();
  const std::vector<ClassCount> counts = count_images(manifest);
  ordered_json classes = ordered_json::array();
  for (const ClassCount& one : counts)
    classes.push_back(
        {{"label", one.label}, {"name", one.name}, {"images", one.images}, {"share", one.share}});
  root["classes"] = classes;
  const ClassBalance balance = balance_of(counts);
  if (balance.classes > 0)
    root["class_balance"] = {{"classes", balance.classes},
                             {"smallest", balance.smallest.label},
                             {"largest", balance.largest.label},
                             {"ratio", balance.ratio},
                             {"entropy", balance.entropy}};
  return write_json(root, 1);
}

std::string classes_to_text(const Manifest& manifest) {
  const std::vector<ClassCount> counts = count_images(manifest);
  std::string text;
  for (const ClassCount& one : counts)
    text += fmt::format("class        {}: {} images ({:.2f} %)\n", class_text(one), one.images,
                        100 * one.share);
  const ClassBalance balance = balance_of(counts);
  if (balance.classes < 2) return text;
  return text + fmt::format(
                    "balance      {} classes, from {} images ({}) to {} ({}): 1 to {:.3g}; entropy "
                    "{:.3f} of {:.3f} bits\n",
                    balance.classes, balance.smallest.images, class_text(balance.smallest),
                    balance.largest.images, class_text(balance.largest), balance.ratio,
                    balance.entropy, std::log2(static_cast<double>(balance.classes)));
}

// Names of the values of label vectors and their means.
std::string vectors_text(const Manifest& manifest) {
  std::string text;
  for (std::size_t i = 0; i < manifest.label_vector_names.size(); ++i)
    text +=
        fmt::format("label value  {}: mean {:.4g}\n",
                    printable_line(manifest.label_vector_names[i]), manifest.label_vector_means[i]);
  return text;
}

std::string manifest_to_text(const Manifest& manifest, const std::string& directory) {
  std::string text = fmt::format(
      "{}\n"
      "state        {}\n"
      "images       {} of {}x{}x{}\n"
      "storage      {}\n"
      "shards       {} of {} images, {}\n"
      "rejects      {} of {} candidates\n",
      directory, manifest.complete ? "complete" : "unfinished: continue the build with --resume",
      manifest.images, manifest.width, manifest.height, manifest.channels,
      storage_name(manifest.form.storage), manifest.shards.size(), manifest.shard_images,
      format_bytes(manifest.bytes()), manifest.reject_count(), manifest.next_candidate);
  if (manifest.complete) {
    text += fmt::format("mean         {:.3f}\n", fmt::join(manifest.mean, " "));
    text += fmt::format("deviation    {:.3f}\n", fmt::join(manifest.deviation, " "));
    text += classes_to_text(manifest);
    text += vectors_text(manifest);
    text += fmt::format("fingerprint  {}\n", manifest.fingerprint);
  }
  return text + fmt::format("parameters   {}\n", manifest.parameters_json);
}

}  // namespace

void add_shard_info(CLI::App& shard) {
  auto arguments = std::make_shared<InfoArguments>();
  CLI::App* command = shard.add_subcommand(
      "info",
      "Describe a data set: size, parameters, statistics, images per class and their balance.\n\n"
      "Examples:\n"
      "  valley shard info data/emoji-256\n"
      "  valley shard info data/emoji-256 --json");
  command->add_option("directory", arguments->directory, "A folder of shards")->required();
  add_json_option(*command, arguments->json);
  command->callback([arguments] {
    const Manifest manifest = read_manifest(arguments->directory);
    print_result(
        arguments->json, [&] { return manifest_to_json(manifest); },
        [&] { return manifest_to_text(manifest, arguments->directory); });
  });
}

}  // namespace valley::app
