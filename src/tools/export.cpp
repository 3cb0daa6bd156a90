#include "tools/export.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "core/error.h"
#include "core/file_type.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/text.h"
#include "record/image_grid.h"
#include "sources/labels.h"
#include "tools/export_kinds.h"
#include "tools/export_paths.h"
#include "tools/folder_draft.h"
#include "tools/parallel_images.h"
#include "tools/zip_writer.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Text of dataset.json. Its lists have a line per image.
class DatasetFileText {
 public:
  DatasetFileText(const Dataset& dataset, const std::vector<std::string>& paths,
                  const std::vector<std::string>& names)
      : dataset_(dataset), paths_(paths), names_(names) {}

  [[nodiscard]] std::string text() const {
    return fmt::format(
        "{{\n\"labels\": {},\n\"class_names\": {},\n\"names\": {},\n\"order\": {},\n"
        "\"fingerprint\": \"{}\"\n}}\n",
        labels(), write_json(nlohmann::json(dataset_.class_names())), names(), order(),
        dataset_.fingerprint());
  }

 private:
  // StyleGAN's tools expect null where no image has a label.
  [[nodiscard]] std::string labels() const {
    std::string text;
    for (std::uint64_t i = 0; i < paths_.size(); ++i)
      if (const std::int64_t label = dataset_.label(i); label >= 0)
        add(text, fmt::format("[{}, {}]", json_string(paths_[i]), label));
    return text.empty() ? "null" : "[\n" + text + "]";
  }
  [[nodiscard]] std::string names() const {
    std::string text;
    for (std::uint64_t i = 0; i < paths_.size(); ++i)
      if (paths_[i] != names_[i])
        add(text, fmt::format("{}: {}", json_string(paths_[i]), json_string(names_[i])));
    return "{\n" + text + "}";
  }
  [[nodiscard]] std::string order() const {
    std::string text;
    for (const std::string& path : paths_) add(text, json_string(path));
    return "[\n" + text + "]";
  }
  static void add(std::string& text, const std::string& entry) {
    if (!text.empty()) {
      text.back() = ',';
      text += '\n';
    }
    text += entry;
    text += '\n';
  }

  const Dataset& dataset_;
  const std::vector<std::string>& paths_;
  const std::vector<std::string>& names_;
};

std::vector<std::string> names_of(const Dataset& dataset) {
  std::vector<std::string> names;
  names.reserve(dataset.size());
  for (std::uint64_t i = 0; i < dataset.size(); ++i) names.push_back(dataset.name(i));
  return names;
}

bool is_folder_export(const fs::path& folder) {
  const fs::path file = folder / kDatasetFile;
  if (!is_folder(folder) || type_of_file(file) != fs::file_type::regular) return false;
  const nlohmann::json root = try_parse_json(read_file(file));
  return root.is_object() && root.contains("order") && root.contains("fingerprint");
}

bool is_file(const fs::path& path) { return type_of_file(path) == fs::file_type::regular; }

void report_progress(const ExportOptions& options, std::uint64_t done, std::uint64_t all) {
  if (options.progress) options.progress(done, all);
}

ExportedFiles export_folder(const Dataset& dataset, const ExportOptions& options) {
  FolderDraft draft(options.destination);
  const std::vector<std::string> names = names_of(dataset);
  const std::vector<std::string> paths = export_paths(names);
  const std::string listing = DatasetFileText(dataset, paths, names).text();
  ExportedFiles files{dataset.size() + 1, listing.size()};
  const std::uint64_t slots = export_slots(dataset, options);
  std::vector<std::uint64_t> bytes(slots);
  for_each_in_order(
      options.jobs, dataset.size(), slots,
      [&](std::uint64_t i, std::uint64_t slot) {
        const std::string png = png_of(dataset, i);
        bytes[slot] = png.size();
        draft.write(paths[i], png);
      },
      [&](std::uint64_t i, std::uint64_t slot) {
        files.bytes += bytes[slot];
        report_progress(options, i + 1, dataset.size());
      });
  draft.write(kDatasetFile, listing);
  draft.commit();
  return files;
}

ExportedFiles export_zip(const Dataset& dataset, const ExportOptions& options) {
  ZipWriter zip(options.destination);
  const std::vector<std::string> names = names_of(dataset);
  const std::vector<std::string> paths = export_paths(names);
  const std::uint64_t slots = export_slots(dataset, options);
  std::vector<std::string> pngs(slots);
  for_each_in_order(
      options.jobs, dataset.size(), slots,
      [&](std::uint64_t i, std::uint64_t slot) { pngs[slot] = png_of(dataset, i); },
      [&](std::uint64_t i, std::uint64_t slot) {
        zip.add(paths[i], pngs[slot]);
        report_progress(options, i + 1, dataset.size());
      });
  zip.add(kDatasetFile, DatasetFileText(dataset, paths, names).text());
  return {1, zip.commit()};
}

ExportedFiles export_as(const Dataset& dataset, const ExportOptions& options) {
  switch (options.kind) {
    case ExportKind::kFolder:
      return export_folder(dataset, options);
    case ExportKind::kZip:
      return export_zip(dataset, options);
    case ExportKind::kWebdataset:
      return export_webdataset(dataset, options);
    case ExportKind::kNpz:
      break;
  }
  return export_npz(dataset, options);
}

}  // namespace

const std::vector<std::string>& export_kind_names() {
  static const std::vector<std::string> names{"folder", "zip", "webdataset", "npz"};
  return names;
}

ExportKind parse_export_kind(const std::string& name) {
  const auto& names = export_kind_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    throw Error(ExitCode::kUsage, "--to {}: must be {}", name, join_up_to(names.size(), names));
  return static_cast<ExportKind>(found - names.begin());
}

std::uint64_t export_slots(const Dataset& dataset, const ExportOptions& options) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{256} << 20U;
  const std::uint64_t wanted = std::uint64_t{64} * std::max(1U, options.jobs);
  return std::clamp<std::uint64_t>(kMaxBytes / dataset.image_bytes(), 1, wanted);
}

std::string png_of(const Dataset& dataset, std::uint64_t index) {
  std::vector<std::uint8_t> pixels(dataset.image_bytes());
  dataset.read(index, pixels, true);
  return encode_png({pixels, dataset.height(), dataset.width(), dataset.channels()});
}

ExportReport export_dataset(const Dataset& dataset, const ExportOptions& options) {
  const bool is_one_file = options.kind == ExportKind::kZip || options.kind == ExportKind::kNpz;
  require_free_destination(options.destination, options.overwrite,
                           is_one_file                               ? is_file
                           : options.kind == ExportKind::kWebdataset ? is_webdataset_export
                                                                     : is_folder_export);
  const Clock::time_point began = Clock::now();
  const ExportedFiles files = export_as(dataset, options);
  return {dataset.size(), files.files, files.bytes,
          std::chrono::duration<double>(Clock::now() - began).count()};
}

}  // namespace valley
