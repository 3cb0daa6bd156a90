// Exports a data set to formats of other programs without a loss: `valley shard build` of an export
// with the same shape, in the order of the source, gives a data set of the same fingerprint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace valley {

enum class ExportKind {
  kFolder,      // PNG files and dataset.json, as StyleGAN's tools read and write them
  kZip,         // the same in a zip file, not compressed
  kWebdataset,  // a folder of tar files of samples KEY.png, KEY.cls, KEY.json
  kNpz,         // NumPy arrays "images" u8 [n, H, W, C], "labels" i64 [n], "names", "class_names"
};
// "folder", "zip", "webdataset", "npz", in the order of the enum.
[[nodiscard]] const std::vector<std::string>& export_kind_names();
[[nodiscard]] ExportKind parse_export_kind(const std::string& name);  // kUsage for others

struct ExportOptions {
  ExportKind kind = ExportKind::kFolder;
  std::filesystem::path destination;
  std::uint64_t shard_images = 4096;  // samples per tar file
  unsigned jobs = 1;                  // threads; the bytes do not depend on it
  bool overwrite = false;             // replaces an earlier export
  // Called on the calling thread after some images.
  std::function<void(std::uint64_t done, std::uint64_t all)> progress{};
};

struct ExportReport {
  std::uint64_t images = 0;
  std::uint64_t files = 0;  // in the file system
  std::uint64_t bytes = 0;  // their size
  double seconds = 0;
};

// Every image is verified. The export appears under its name once it is whole. Errors: kCannotWrite
// for an existing destination and a full disk; those of Dataset::read.
ExportReport export_dataset(const Dataset& dataset, const ExportOptions& options);

}  // namespace valley
