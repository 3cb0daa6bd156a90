#include <algorithm>
#include <set>
#include <vector>

#include "data/dataset.h"
#include "data/manifest.h"
#include "doctor/checks.h"
#include "doctor/storage_probe.h"
#include "doctor/system_text.h"

namespace valley::doctor {
namespace {

constexpr std::uint64_t kCheckedImages = 64;
constexpr double kSlowReadMb = 50;  // MB/s; 250 images of 256x256 per second

// Evenly spaced images, including the first and the last.
std::set<std::uint64_t> choose_checked_images(std::uint64_t size) {
  std::set<std::uint64_t> chosen;
  const std::uint64_t n = std::min(size, kCheckedImages);
  for (std::uint64_t i = 0; i < n; ++i)
    chosen.insert(
        n == 1 ? 0
               : static_cast<std::uint64_t>(static_cast<double>(i) * static_cast<double>(size - 1) /
                                            static_cast<double>(n - 1)));
  return chosen;
}

void check_pixels(const Notes& notes, const Dataset& dataset) {
  std::vector<std::uint8_t> pixels(dataset.image_bytes());
  const std::set<std::uint64_t> chosen = choose_checked_images(dataset.size());
  for (const std::uint64_t index : chosen) dataset.read(index, pixels, true);
  notes.ok("pixels", fmt::format("{} of {} images match their checksums (all: valley shard verify "
                                 "{})",
                                 chosen.size(), dataset.size(), dataset.directory().string()));
}

void check_read_speed(const Notes& notes, const std::filesystem::path& file) {
  const ReadSpeed speed = measure_read(file);
  const auto mount = find_mount(std::filesystem::canonical(file).string(),
                                read_system_file("/proc/self/mountinfo").value_or(""));
  const std::string value =
      fmt::format("reads {:.0f} MB/s{}{}", speed.mb_per_s, speed.from_disk ? "" : " (from memory)",
                  mount ? ", " + mount->type + " at " + mount->point : "");
  const Metrics metrics{{"read_mb_per_s", speed.mb_per_s}};
  if (speed.mb_per_s < kSlowReadMb) {
    notes.warn("data speed", value, "training may wait for its data: copy it to a local disk",
               metrics);
  } else {
    notes.ok("data speed", value, metrics);
  }
}

}  // namespace

void check_data(const Notes& notes, const std::filesystem::path& directory) {
  const auto dataset = Dataset::open(directory);
  const Manifest manifest = read_manifest(directory);
  notes.ok("data",
           fmt::format("{}: {} images of {}x{}x{} in {} shard{}, {}", directory.string(),
                       dataset->size(), dataset->width(), dataset->height(), dataset->channels(),
                       manifest.shards.size(), manifest.shards.size() == 1 ? "" : "s",
                       bytes_text(static_cast<double>(manifest.bytes()))),
           {{"images", static_cast<double>(dataset->size())},
            {"width", static_cast<double>(dataset->width())},
            {"height", static_cast<double>(dataset->height())},
            {"shards", static_cast<double>(manifest.shards.size())}});
  check_pixels(notes, *dataset);
  if (!manifest.shards.empty()) check_read_speed(notes, directory / manifest.shards.front().file);
}

}  // namespace valley::doctor
