#include "report/pictures.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/read_file.h"
#include "report/png_check.h"

namespace valley::report {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFakes = "fakes-";
constexpr std::string_view kPng = ".png";
// https://www.w3.org/TR/png-3/#5PNG-file-signature, and the IHDR chunk that follows it.
constexpr std::string_view kSignature = "\x89PNG\r\n\x1A\n";
constexpr std::size_t kWidthAt = 16;
constexpr std::size_t kHeaderBytes = 24;

std::optional<double> step_of(std::string_view name) {
  if (!name.starts_with(kFakes) || !name.ends_with(kPng)) return std::nullopt;
  name.remove_prefix(kFakes.size());
  name.remove_suffix(std::min(name.size(), kPng.size()));
  if (name == "init") return 0;
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) return std::nullopt;
  return static_cast<double>(step);
}

std::uint32_t big_endian(const char* bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

// Reads the PNG header. Returns nothing and sets `why` if the file is not usable.
std::optional<GridImage> read_header(const fs::path& file, double step, std::string& why) {
  std::array<char, kHeaderBytes> head{};
  std::error_code failed;
  const std::uint64_t bytes = fs::file_size(file, failed);
  if (failed) {
    why = failed.message();
    return std::nullopt;
  }
  std::ifstream in(file, std::ios::binary);
  if (!in.read(head.data(), head.size()) ||
      std::string_view(head.data(), kSignature.size()) != kSignature) {
    why = in.is_open() ? "not a PNG file" : "cannot be read";
    return std::nullopt;
  }
  const std::uint32_t width = big_endian(head.data() + kWidthAt);
  const std::uint32_t height = big_endian(head.data() + kWidthAt + 4);
  return GridImage{file.filename().string(), step, bytes, width, height};
}

std::uint64_t bytes_of(const std::vector<GridImage>& grids,
                       const std::vector<std::size_t>& selected) {
  std::uint64_t bytes = 0;
  for (const std::size_t i : selected) bytes += grids[i].bytes;
  return bytes;
}

std::vector<GridImage> selection(const std::vector<GridImage>& all, std::size_t max_grids,
                                 std::uint64_t max_bytes) {
  std::vector<std::size_t> selected = even_selection(all.size(), std::min(all.size(), max_grids));
  while (!selected.empty() && bytes_of(all, selected) > max_bytes)
    selected = even_selection(all.size(), selected.size() - 1);
  std::vector<GridImage> out;
  for (const std::size_t i : selected) out.push_back(all[i]);
  return out;
}

// True if the bytes of a selected image match their checksums; else notes it as unusable.
bool is_whole(const fs::path& run, const GridImage& image, std::vector<std::string>& unusable) {
  try {
    if (is_whole_png(read_file(run / image.file))) return true;
    unusable.push_back(image.file + ": damaged, a checksum of the PNG file does not match");
  } catch (const Error& error) {
    unusable.push_back(fmt::format("{}: {}", image.file, error.what()));
  }
  return false;
}

}  // namespace

GridImages find_grids(const fs::path& run, double last_step, const GridLimits& limits) {
  GridImages grids;
  std::vector<GridImage> fakes;
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(run, failed)) {
    const std::string name = entry.path().filename().string();
    const bool is_reals = name == "reals.png";
    const std::optional<double> step = is_reals ? 0 : step_of(name);
    if (!step || (last_step >= 0 && *step > last_step)) continue;
    std::string why;
    std::optional<GridImage> image = read_header(entry.path(), *step, why);
    if (image && image->bytes > limits.max_bytes / (is_reals ? 2 : 1)) {
      why =
          fmt::format("too large for a page ({:.0f} MB)", 1e-6 * static_cast<double>(image->bytes));
      image.reset();
    }
    if (!image) {
      grids.unusable.push_back(name + ": " + why);
    } else if (is_reals) {
      grids.reals = std::move(image);
    } else {
      fakes.push_back(std::move(*image));
    }
  }
  std::ranges::sort(fakes, {}, [](const GridImage& p) { return std::pair(p.step, p.file); });
  grids.found = fakes.size();
  const std::uint64_t taken = grids.reals ? grids.reals->bytes : 0;
  grids.fakes = selection(fakes, limits.max_grids, limits.max_bytes - taken);
  std::erase_if(grids.fakes,
                [&](const GridImage& image) { return !is_whole(run, image, grids.unusable); });
  if (grids.reals && !is_whole(run, *grids.reals, grids.unusable)) grids.reals.reset();
  std::ranges::sort(grids.unusable);
  return grids;
}

std::vector<std::size_t> even_selection(std::size_t n, std::size_t k) {
  std::vector<std::size_t> out;
  if (n == 0 || k == 0) return out;
  if (k == 1) return {n - 1};
  for (std::size_t i = 0; i < k; ++i) out.push_back(i * (n - 1) / (k - 1));
  return out;
}

}  // namespace valley::report
