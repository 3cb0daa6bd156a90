// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers:
// As Easy as 1, 2, 3, SC 2011), keyed by (seed, stream, position). A draw depends on nothing drawn
// before, so any number of ranks, threads and restarts draws the same values. Compiles for the host
// and for CUDA devices.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define VALLEY_HOST_DEVICE __host__ __device__
#else
#define VALLEY_HOST_DEVICE
#endif

namespace valley {

// Use of the random values. The numbers are part of the meaning of a seed: only add, never
// renumber.
enum class RandomStream : std::uint32_t {
  kWeights = 1,        // initial weights; position: hash64 of the tensor's name
  kLatentD = 2,        // latents of the discriminator's update; position: sample in training order
  kLatentG = 3,        // latents of the generator's update; position: as kLatentD
  kMirror = 4,         // random flips; position: as kLatentD
  kSampleLatent = 5,   // latents of samples; position: index in the sample grid, or the user's seed
  kLangevin = 6,       // noise of Markov chains; position: as kLatentD
  kReplay = 7,         // slots drawn from a replay buffer; position: as kLatentD
  kReplayStart = 8,    // initial states of chains; position: as kLatentD, or the slot
  kEvaluate = 9,       // pairs, patches and directions of `valley evaluate`
  kBuffers = 10,       // initial values of buffers; position: hash64 of the name
  kDequantize = 11,    // noise added to quantized pixels; position: as kLatentD
  kSampleChain = 12,   // noise of sampling chains; position: as kSampleLatent
  kDamage = 15,        // damage applied to images before restoration; position: index of the image
  kRestoreChain = 16,  // noise of restoration chains; position: as kDamage
  kGibbs = 17,         // states of units in Gibbs chains in training; position: as kLatentD
  kGibbsNoise = 18,    // noise of Gaussian units there; position: as kLatentD
  kSampleNoise = 19,   // noise of Gaussian units in sampling chains; position: as kSampleLatent
  kMeasure = 20,       // units that a metric uses; position: index among the measured images
  kSampleLayers = 23,  // states of lower layers in sampling chains; position: as kSampleLatent
  kAnnealing = 24,     // states in annealed importance sampling; position: the chain
  kAnnealingNoise = 25,  // noise of Gaussian units there; position: the chain
  kBound = 26,         // pixels and hidden units that likelihoods average over; position: the image
  kSynthetic = 27,     // pixels of benchmarks; position: byte within the rank's images
  kLatentSearch = 28,  // initial latents of a search for an image; position: their number
  kLabelD = 30,        // classes of the images generated for D's update; position: as kLatentD
  kLabelG = 31,        // classes of the images generated for G's update; position: as kLatentD
  kMismatch = 32,      // wrong classes of real images; position: as kLatentD
  kDataNoise = 33,     // noise on real images; position: as kLatentD
  kAugmentReal = 34,   // augmentation of real images; position: as kLatentD
  kAugmentD = 35,      // of generated images in D's update; position: as kLatentD
  kAugmentG = 36,      // of generated images in G's update; position: as kLatentD
  kAudit = 37,         // micro-batches that an audit repeats; position: the step
};

struct PhiloxBlock {
  std::uint32_t word[4];
};

// Blocks that hold n words.
VALLEY_HOST_DEVICE inline std::int64_t philox_blocks(std::int64_t n) { return (n + 3) / 4; }

constexpr int kPhiloxRounds = 10;

struct PhiloxKey {
  VALLEY_HOST_DEVICE explicit PhiloxKey(std::uint64_t seed)
      : low(static_cast<std::uint32_t>(seed)), high(static_cast<std::uint32_t>(seed >> 32U)) {}
  // Advances to the key of the next round.
  VALLEY_HOST_DEVICE void next() {
    low += 0x9E3779B9U;
    high += 0xBB67AE85U;
  }
  std::uint32_t low, high;
};

VALLEY_HOST_DEVICE inline void philox_round(const PhiloxKey& key, std::uint32_t& c0,
                                            std::uint32_t& c1, std::uint32_t& c2,
                                            std::uint32_t& c3) {
  const std::uint64_t p0 = 0xD2511F53ULL * c0;
  const std::uint64_t p1 = 0xCD9E8D57ULL * c2;
  c0 = static_cast<std::uint32_t>(p1 >> 32U) ^ c1 ^ key.low;
  c1 = static_cast<std::uint32_t>(p1);
  c2 = static_cast<std::uint32_t>(p0 >> 32U) ^ c3 ^ key.high;
  c3 = static_cast<std::uint32_t>(p0);
}

// Ten rounds of Philox4x32 with the counter (position, stream, block) and the key `seed`.
VALLEY_HOST_DEVICE inline PhiloxBlock philox(std::uint64_t seed, std::uint32_t stream,
                                             std::uint64_t position, std::uint32_t block) {
  PhiloxKey key(seed);
  std::uint32_t c0 = static_cast<std::uint32_t>(position);
  std::uint32_t c1 = static_cast<std::uint32_t>(position >> 32U);
  std::uint32_t c2 = stream;
  std::uint32_t c3 = block;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    philox_round(key, c0, c1, c2, c3);
    key.next();
  }
  return {{c0, c1, c2, c3}};
}

// A multiple of 2^-24 in [0, 1): exact in float, so the CPU and a GPU agree to the bit.
VALLEY_HOST_DEVICE inline float uniform01(std::uint32_t word) {
  return static_cast<float>(word >> 8U) * 0x1p-24F;
}

// Two independent normal values of mean 0 and standard deviation 1, by Box and Muller (1958). CPU
// and GPU differ in the last bits of the logarithm.
struct NormalPair {
  float first, second;
};
VALLEY_HOST_DEVICE inline NormalPair normal01(std::uint32_t a, std::uint32_t b) {
  constexpr float kTwoPi = 6.283185307179586F;
  const float radius = sqrtf(-2.0F * logf(static_cast<float>((a >> 8U) + 1U) * 0x1p-24F));
  const float angle = kTwoPi * uniform01(b);
  return {radius * cosf(angle), radius * sinf(angle)};
}

}  // namespace valley
