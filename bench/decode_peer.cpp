// Peers of bench/storage.py: the least work that loading an image can take, on one thread.
//
//   decode_peer jpeg FILE REPEATS                        libjpeg-turbo's decoder alone, on records
//   decode_peer copy SHARD OFFSET BYTES IMAGES REPEATS   memcpy and CRC32C of raw images
//
// FILE holds records one after the other, each after its size as 4 bytes, little-endian. Images are
// visited in random order and written to a ring of 256, as by the loader. Prints one JSON line.
#include <fmt/ranges.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// jpeglib.h needs the includes above.
#include <jpeglib.h>

#include "core/hash.h"

namespace {

constexpr std::size_t kRing = 256;  // images

std::size_t shuffled(std::size_t i, std::size_t n, std::size_t repeat) {
  return valley::hash64(repeat, i, 0) % n;
}

void time_images(std::size_t images, std::size_t repeats,
                 const std::function<void(std::size_t image, std::size_t slot)>& load) {
  std::vector<double> seconds;
  for (std::size_t repeat = 0; repeat <= repeats; ++repeat) {
    const auto began = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < images; ++i) load(shuffled(i, images, repeat), i % kRing);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    if (repeat > 0) seconds.push_back(took.count());  // the first one warms caches
  }
  fmt::print("{{\"images\": {}, \"seconds\": [{}]}}\n", images, fmt::join(seconds, ", "));
}

void decode(jpeg_decompress_struct& info, std::string_view record, std::uint8_t* pixels) {
  ::jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(record.data()), record.size());
  ::jpeg_read_header(&info, TRUE);
  ::jpeg_start_decompress(&info);
  const std::size_t row_bytes = std::size_t{info.output_width} * 3;
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + info.output_scanline * row_bytes;
    ::jpeg_read_scanlines(&info, &row, 1);
  }
  ::jpeg_finish_decompress(&info);
}

void time_jpeg(const char* path, std::size_t repeats) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string_view> records;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    records.emplace_back(bytes.data() + at + sizeof size, size);
    at += sizeof size + size;
  }
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  info.err = ::jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  ::jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(records[0].data()),
                 records[0].size());
  ::jpeg_read_header(&info, TRUE);
  const std::size_t image = std::size_t{info.image_height} * info.image_width * 3;
  ::jpeg_abort_decompress(&info);
  std::vector<std::uint8_t> ring(kRing * image);
  time_images(records.size(), repeats, [&](std::size_t i, std::size_t slot) {
    decode(info, records[i], ring.data() + slot * image);
  });
  ::jpeg_destroy_decompress(&info);
}

void time_copy(const char* path, std::size_t offset, std::size_t image, std::size_t images,
               std::size_t repeats) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  std::vector<std::byte> pixels(images * image);
  file.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
  if (!file) std::exit(66);
  std::vector<std::byte> ring(kRing * image);
  std::uint32_t sum = 0;
  time_images(images, repeats, [&](std::size_t i, std::size_t slot) {
    std::byte* to = ring.data() + slot * image;
    std::memcpy(to, pixels.data() + i * image, image);
    sum ^= valley::crc32c(std::span(to, image));
  });
  fmt::print(stderr, "{}\n", sum);  // so that the sums are computed
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "jpeg") {
    time_jpeg(argv[2], std::stoull(words[2]));
  } else if (words.size() == 6 && words[0] == "copy") {
    time_copy(argv[2], std::stoull(words[2]), std::stoull(words[3]), std::stoull(words[4]),
              std::stoull(words[5]));
  } else {
    fmt::print(stderr,
               "usage: decode_peer jpeg FILE REPEATS | copy SHARD OFFSET BYTES IMAGES REPEATS\n");
    return 2;
  }
  return 0;
}
