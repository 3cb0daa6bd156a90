// Damage that disks, controllers and memory do to files: flipped bits, bursts, lost sectors, files
// cut off, and bytes of other files at the end.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace valley::chaos {

struct Damage {
  std::string what;   // "bit 3 of byte 1200 flipped", for reports
  std::string bytes;  // of the damaged file
};

using Chance = std::mt19937_64;

// Flipped bits (1, or 2 to 8 near each other), a burst of 2 to 16 bytes, or a sector of 512 bytes
// that is zero. Half of them are within 4 KiB of the begin or the end, where headers are. Always
// differs from `bytes`, which are not empty.
[[nodiscard]] Damage random_damage(const std::string& bytes, Chance& chance);

// The file cut at 0, 1, each multiple of `step` and before its last byte.
[[nodiscard]] std::vector<Damage> truncations(const std::string& bytes, std::size_t step = 4096);

// The file with 1, 64 and 4,096 random bytes, and a copy of its first sector, at its end.
[[nodiscard]] std::vector<Damage> additions(const std::string& bytes, Chance& chance);

}  // namespace valley::chaos
