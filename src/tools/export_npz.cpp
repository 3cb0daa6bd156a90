#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/little_endian.h"
#include "core/text.h"
#include "tools/export_kinds.h"
#include "tools/npy_header.h"
#include "tools/parallel_images.h"
#include "tools/zip_writer.h"

namespace valley {
namespace {

std::uint32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  const std::size_t n = character.size();
  std::uint32_t value = n == 1 ? first : first & (0xFFU >> (n + 1));
  for (std::size_t i = 1; i < n; ++i)
    value = value << 6U | (static_cast<unsigned char>(character[i]) & 0x3FU);
  return value;
}

// Writes a member in pieces of about 64 KiB.
class PiecewiseMember {
 public:
  PiecewiseMember(ZipWriter& zip, std::string_view path, const std::string& header,
                  std::uint64_t bytes)
      : zip_(zip), piece_(header) {
    zip_.begin(path, header.size() + bytes);
  }
  [[nodiscard]] std::string& piece() {
    constexpr std::size_t kPiece = std::size_t{64} << 10U;
    if (piece_.size() >= kPiece) flush();
    return piece_;
  }
  void end() {
    flush();
    zip_.end();
  }

 private:
  void flush() {
    zip_.write(as_bytes(piece_));
    piece_.clear();
  }
  ZipWriter& zip_;
  std::string piece_;
};

// An array of fixed-width texts of 32-bit code points, NumPy's type of str.
template <typename TextAt>
void write_texts(ZipWriter& zip, std::string_view name, std::uint64_t count, const TextAt& at) {
  std::size_t width = 1;
  for (std::uint64_t i = 0; i < count; ++i) width = std::max(width, columns(at(i)));
  PiecewiseMember member(zip, fmt::format("{}.npy", name),
                         npy_header(fmt::format("<U{}", width), {count}), count * width * 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string text = at(i);
    std::string& piece = member.piece();
    const std::size_t end = piece.size() + 4 * width;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t n = std::max<std::size_t>(1, utf8_character_bytes(rest));
      append_little_endian(piece, code_point(rest.substr(0, n)), 4);
      rest.remove_prefix(n);
    }
    piece.resize(end);
  }
  member.end();
}

void write_images(ZipWriter& zip, const Dataset& dataset, const ExportOptions& options) {
  const auto side = [](std::int64_t size) { return static_cast<std::uint64_t>(size); };
  const std::string header = npy_header("|u1", {dataset.size(), side(dataset.height()),
                                                side(dataset.width()), side(dataset.channels())});
  const std::uint64_t bytes = dataset.image_bytes();
  zip.begin("images.npy", header.size() + dataset.size() * bytes);
  zip.write(as_bytes(header));
  const std::uint64_t slots = export_slots(dataset, options);
  std::vector<std::uint8_t> pixels(slots * bytes);
  const auto slot_pixels = [&](std::uint64_t slot) {
    return std::span(pixels).subspan(slot * bytes, bytes);
  };
  for_each_in_order(
      options.jobs, dataset.size(), slots,
      [&](std::uint64_t i, std::uint64_t slot) { dataset.read(i, slot_pixels(slot), true); },
      [&](std::uint64_t i, std::uint64_t slot) {
        zip.write(std::as_bytes(slot_pixels(slot)));
        if (options.progress) options.progress(i + 1, dataset.size());
      });
  zip.end();
}

}  // namespace

ExportedFiles export_npz(const Dataset& dataset, const ExportOptions& options) {
  ZipWriter zip(options.destination);
  write_images(zip, dataset, options);
  PiecewiseMember labels(zip, "labels.npy", npy_header("<i8", {dataset.size()}),
                         dataset.size() * 8);
  for (std::uint64_t i = 0; i < dataset.size(); ++i)
    append_little_endian(labels.piece(), static_cast<std::uint64_t>(dataset.label(i)), 8);
  labels.end();
  write_texts(zip, "names", dataset.size(), [&](std::uint64_t i) { return dataset.name(i); });
  write_texts(zip, "class_names", dataset.class_names().size(),
              [&](std::uint64_t i) { return dataset.class_names()[i]; });
  return {1, zip.commit()};
}

}  // namespace valley
