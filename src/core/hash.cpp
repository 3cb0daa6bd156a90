#include "core/hash.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/read_file.h"

namespace valley {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78U;  // reflected Castagnoli
constexpr std::size_t kFilePiece = std::size_t{1} << 20U;

constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1U) ^ kPolynomial : crc >> 1U;
    tables[0][i] = crc;
  }
  for (std::size_t t = 1; t < 8; ++t) {
    for (std::size_t i = 0; i < 256; ++i)
      tables[t][i] = (tables[t - 1][i] >> 8U) ^ tables[0][tables[t - 1][i] & 0xFFU];
  }
  return tables;
}
constexpr auto kTables = make_tables();

std::uint64_t load64(const std::byte* p) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

#if defined(__x86_64__)
// A matrix over GF(2) that advances a CRC register over a fixed number of zero bytes, as four
// byte-indexed tables: it combines the checksums of adjacent lanes that the processor computes in
// parallel.
class ZeroShift {
 public:
  explicit ZeroShift(std::size_t bytes) {
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
      const std::uint32_t image = over_zeros(1U << bit, bytes);
      for (std::uint32_t value = 0; value < 256; ++value) {
        if ((value >> (bit % 8U) & 1U) != 0) tables_[bit / 8U][value] ^= image;
      }
    }
  }
  [[nodiscard]] std::uint32_t apply(std::uint32_t crc) const {
    return tables_[0][crc & 0xFFU] ^ tables_[1][crc >> 8U & 0xFFU] ^
           tables_[2][crc >> 16U & 0xFFU] ^ tables_[3][crc >> 24U];
  }

 private:
  static std::uint32_t over_zeros(std::uint32_t crc, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) crc = (crc >> 8U) ^ kTables[0][crc & 0xFFU];
    return crc;
  }
  std::array<std::array<std::uint32_t, 256>, 4> tables_{};
};

// The instruction has a latency of three cycles and a throughput of one: three independent lanes
// keep it busy.
constexpr std::size_t kLane = 4096;

__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware(Bytes bytes, std::uint32_t crc) {
  static const ZeroShift shift(kLane);
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = ~crc;
  for (; left >= 3 * kLane; left -= 3 * kLane, p += 3 * kLane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      state = __builtin_ia32_crc32di(state, load64(p + i));
      second = __builtin_ia32_crc32di(second, load64(p + kLane + i));
      third = __builtin_ia32_crc32di(third, load64(p + 2 * kLane + i));
    }
    state = shift.apply(static_cast<std::uint32_t>(state)) ^ second;
    state = shift.apply(static_cast<std::uint32_t>(state)) ^ third;
  }
  for (; left >= 8; left -= 8, p += 8) state = __builtin_ia32_crc32di(state, load64(p));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; --left, ++p)
    narrow = __builtin_ia32_crc32qi(narrow, std::to_integer<unsigned char>(*p));
  return ~narrow;
}
#endif

}  // namespace

std::uint32_t crc32c_software(Bytes bytes, std::uint32_t crc) {
  std::uint32_t state = ~crc;
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    const std::uint64_t word =
        load64(p) ^ state;  // little-endian, as every platform of CUDA and of this project is
    std::uint32_t next = 0;
    for (unsigned byte = 0; byte < 8; ++byte)
      next ^= kTables[7 - byte][word >> (8U * byte) & 0xFFU];
    state = next;
  }
  for (; left > 0; --left, ++p)
    state = (state >> 8U) ^ kTables[0][(state ^ std::to_integer<std::uint32_t>(*p)) & 0xFFU];
  return ~state;
}

std::uint32_t crc32c(Bytes bytes, std::uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_hardware(bytes, crc);
#endif
  return crc32c_software(bytes, crc);
}

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() { VALLEY_CHECK(evp != nullptr && EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) == 1); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
  VALLEY_CHECK(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  VALLEY_CHECK(EVP_DigestFinal_ex(context_->evp, digest.data(), &length) == 1);
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256_hex(Bytes bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const auto close = [](std::FILE* f) { std::fclose(f); };
  const std::unique_ptr<std::FILE, decltype(close)> file(::fdopen(open_regular_file(path), "rb"),
                                                         close);
  if (!file) throw file_error("opening", path.string(), errno, false);
  Sha256 sha;
  std::vector<std::byte> piece(kFilePiece);
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), file.get())) {
    sha.update(Bytes(piece.data(), n));
  }
  if (std::ferror(file.get()) != 0) throw file_error("reading", path.string(), errno, false);
  return sha.hex();
}

}  // namespace valley
