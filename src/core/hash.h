// Checksums and hashes: CRC32C of records, SHA-256 of files, a 64-bit mixer for keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace valley {

using Bytes = std::span<const std::byte>;
inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// CRC32C (Castagnoli, RFC 3720 appendix B.4). `crc` is the checksum of the preceding bytes, 0 at
// the start. Uses the processor's instruction where it has one.
[[nodiscard]] std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0);
// The portable form, for processors without the instruction and for tests.
[[nodiscard]] std::uint32_t crc32c_software(Bytes bytes, std::uint32_t crc = 0);

// SHA-256 (FIPS 180-4) in pieces; `hex` ends it and returns 64 lower-case digits.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(Bytes bytes);
  [[nodiscard]] std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] std::string sha256_hex(Bytes bytes);
// Streams the file. Throws Error when it cannot be read.
[[nodiscard]] std::string sha256_of_file(const std::filesystem::path& path);

// The finalizer of splitmix64: a bijection of 64-bit words that mixes well.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}
[[nodiscard]] constexpr std::uint64_t hash64(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return mix64(mix64(mix64(a) ^ b) ^ c);
}
// FNV-1a through mix64: a stable hash of a name, the same on every platform.
[[nodiscard]] constexpr std::uint64_t hash64(std::string_view name) {
  std::uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return mix64(h);
}

}  // namespace valley
