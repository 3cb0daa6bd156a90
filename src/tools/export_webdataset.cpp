#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file_type.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "sources/tar_files.h"
#include "tools/export_kinds.h"
#include "tools/folder_draft.h"
#include "tools/parallel_images.h"
#include "tools/tar_writer.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExportFile = "export.json";

// Metadata of a sample.
std::string sample_json(const Dataset& dataset, std::uint64_t index) {
  const std::int64_t label = dataset.label(index);
  nlohmann::ordered_json sample{{"name", dataset.name(index)}, {"label", nullptr}};
  if (label >= 0) sample["label"] = label;
  const auto number = static_cast<std::size_t>(label);
  if (label >= 0 && number < dataset.class_names().size())
    sample["class_name"] = dataset.class_names()[number];
  return write_json(sample);
}

// The samples [first, first + n) as one tar file. Keys are indices of the same width, so that their
// order is that of the data set.
std::uint64_t write_tar(const fs::path& path, const Dataset& dataset, std::uint64_t first,
                        std::uint64_t n, const ExportOptions& options) {
  TarWriter tar(path);
  tar.add(kClassesMember, write_json(nlohmann::json(dataset.class_names())));
  const std::size_t digits = std::max<std::size_t>(8, fmt::formatted_size("{}", dataset.size()));
  const std::uint64_t slots = export_slots(dataset, options);
  std::vector<std::string> pngs(slots);
  for_each_in_order(
      options.jobs, n, slots,
      [&](std::uint64_t i, std::uint64_t slot) { pngs[slot] = png_of(dataset, first + i); },
      [&](std::uint64_t i, std::uint64_t slot) {
        const std::string key = fmt::format("{:0{}}", first + i, digits);
        tar.add(key + ".png", pngs[slot]);
        if (const std::int64_t label = dataset.label(first + i); label >= 0)
          tar.add(key + ".cls", fmt::to_string(label));
        tar.add(key + ".json", sample_json(dataset, first + i));
        if (options.progress) options.progress(first + i + 1, dataset.size());
      });
  return tar.commit();
}

}  // namespace

bool is_webdataset_export(const fs::path& folder) {
  const fs::path file = folder / kExportFile;
  if (!is_folder(folder) || type_of_file(file) != fs::file_type::regular) return false;
  const nlohmann::json root = try_parse_json(read_file(file));
  return root.is_object() && root.value("format", "") == "webdataset";
}

ExportedFiles export_webdataset(const Dataset& dataset, const ExportOptions& options) {
  FolderDraft draft(options.destination);
  ExportedFiles written;
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (std::uint64_t first = 0; first < dataset.size(); first += options.shard_images) {
    const std::string name = fmt::format("shard-{:06}.tar", written.files++);
    const std::uint64_t n = std::min(options.shard_images, dataset.size() - first);
    written.bytes += write_tar(draft.path() / name, dataset, first, n, options);
    names.push_back(name);
  }
  const std::string text =
      write_json(nlohmann::ordered_json{{"format", "webdataset"},
                                        {"images", dataset.size()},
                                        {"files", names},
                                        {"fingerprint", dataset.fingerprint()}},
                 1) +
      "\n";
  draft.write(kExportFile, text);
  draft.commit();
  return {written.files + 1, written.bytes + text.size()};
}

}  // namespace valley
