#include "damage.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace valley::chaos {
namespace {

constexpr std::size_t kEnds = 4096;
constexpr std::size_t kSector = 512;

std::size_t below(std::size_t n, Chance& chance) {
  return std::uniform_int_distribution<std::size_t>(0, n - 1)(chance);
}

std::size_t random_offset(std::size_t size, Chance& chance) {
  const std::size_t zone = below(4, chance);
  if (zone == 0) return below(std::min(size, kEnds), chance);
  if (zone == 1) return size - 1 - below(std::min(size, kEnds), chance);
  return below(size, chance);
}

void flip(std::string& bytes, std::size_t offset, std::size_t bit) {
  bytes[offset] = static_cast<char>(static_cast<unsigned char>(bytes[offset]) ^ (1U << bit));
}

Damage flipped_bits(std::string bytes, std::size_t n, Chance& chance) {
  constexpr std::size_t kNear = 16;
  const std::size_t first = random_offset(bytes.size(), chance);
  const std::size_t near = std::min(kNear, bytes.size() - first);
  std::set<std::pair<std::size_t, std::size_t>> places = {{first, below(8, chance)}};
  while (places.size() < n) places.emplace(first + below(near, chance), below(8, chance));
  for (const auto& [offset, bit] : places) flip(bytes, offset, bit);
  return {fmt::format("{} bit(s) from byte {} on flipped", n, first), std::move(bytes)};
}

Damage burst(std::string bytes, Chance& chance) {
  const std::size_t first = random_offset(bytes.size(), chance);
  const std::size_t n = std::min(2 + below(15, chance), bytes.size() - first);
  for (std::size_t i = first; i < first + n; ++i)
    bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ (1 + below(255, chance)));
  return {fmt::format("{} bytes from byte {} on changed", n, first), std::move(bytes)};
}

Damage zeroed_sector(std::string bytes, Chance& chance) {
  const std::size_t first = random_offset(bytes.size(), chance) / kSector * kSector;
  const std::size_t end = std::min(first + kSector, bytes.size());
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(first),
            bytes.begin() + static_cast<std::ptrdiff_t>(end), '\0');
  return {fmt::format("sector at byte {} zeroed", first), std::move(bytes)};
}

}  // namespace

Damage random_damage(const std::string& bytes, Chance& chance) {
  for (;;) {
    const std::size_t kind = below(10, chance);
    Damage damage = kind < 6    ? flipped_bits(bytes, 1, chance)
                    : kind == 6 ? flipped_bits(bytes, 2 + below(7, chance), chance)
                    : kind < 9  ? burst(bytes, chance)
                                : zeroed_sector(bytes, chance);
    if (damage.bytes != bytes) return damage;  // the sector may have been zero
  }
}

std::vector<Damage> truncations(const std::string& bytes, std::size_t step) {
  std::set<std::size_t> sizes = {0, 1};
  for (std::size_t size = step; size < bytes.size(); size += step) sizes.insert(size);
  if (!bytes.empty()) sizes.insert(bytes.size() - 1);
  std::vector<Damage> all;
  for (const std::size_t size : sizes)
    if (size < bytes.size())
      all.push_back({fmt::format("cut off after {} bytes", size), bytes.substr(0, size)});
  return all;
}

std::vector<Damage> additions(const std::string& bytes, Chance& chance) {
  std::vector<Damage> all;
  for (const std::size_t n : {1U, 64U, 4096U}) {
    std::string more(n, '\0');
    for (char& c : more) c = static_cast<char>(below(256, chance));
    all.push_back({fmt::format("{} random bytes added", n), bytes + more});
  }
  if (!bytes.empty())
    all.push_back({"first sector added at the end", bytes + bytes.substr(0, kSector)});
  return all;
}

}  // namespace valley::chaos
