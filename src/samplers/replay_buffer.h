// Replay buffer of chains, with one part per microbatch of this rank, so that the start of a chain
// does not depend on the number of ranks.
//
// A part is a ring buffer: the chains of a step overwrite those of the oldest step, and chains
// start from slots drawn with replacement (as in the authors' code of IGEBM, Du & Mordatch 2019).
// Pixels are stored as bytes, as in that code: floor(256 x), read back as (byte + u) / 256 with u ~
// U(0, 1), so that 10,000 chains of 256x256x3 take 1.97 GB instead of 7.9. (IGEBM's code multiplies
// by 255 and divides by 256, which darkens chains at every visit.)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "samplers/langevin.h"

namespace valley {

// Converts float [B, C, H, W] in [0, 1] to uint8 [B, H, W, C] on the same device.
[[nodiscard]] at::Tensor pixels_from_chains(const at::Tensor& images);

struct ReplayShape {
  std::int64_t parts = 1;
  std::int64_t slots = 0;            // per part, a multiple of chains_per_step
  std::int64_t chains_per_step = 1;  // chains stored per part and step
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
};

class ReplayBuffer {
 public:
  // `restart`: share of chains that start from uniform noise instead of a slot.
  ReplayBuffer(const ReplayShape& shape, double restart, at::Device device);

  struct Start {
    at::Tensor images;     // float [n, C, H, W] in [0, 1], channels_last
    at::Tensor restarted;  // float [n]: 1 if the chain starts from noise, else 0
  };
  // Starts of n chains, drawn from Philox streams kReplay and kReplayStart (place.stream is
  // ignored). All start from noise while the part is empty.
  [[nodiscard]] Start draw(std::int64_t part, const ChainPlace& place, std::int64_t n) const;

  // Stages the chains of a step for one part: float [chains_per_step, C, H, W] in [0, 1]. `draw`
  // uses them after `commit`.
  void put(std::int64_t part, const at::Tensor& images);
  // Stores the staged chains of all parts, unless `ok` (bool [] on the device) is false.
  void commit(const at::Tensor& ok);

  // The newest chains of a part, newest step first: uint8 [at most n, H, W, C] on the host.
  // Synchronizes with the device.
  [[nodiscard]] at::Tensor newest(std::int64_t part, std::int64_t n) const;

  [[nodiscard]] const at::Tensor& slots() const { return slots_; }  // uint8 [parts, slots, H, W, C]
  // int64 [] on the device: number of chains stored in each part so far.
  [[nodiscard]] const at::Tensor& taken() const { return taken_; }

 private:
  ReplayShape shape_;
  double restart_;
  at::Tensor slots_;
  at::Tensor put_;  // uint8 [parts, chains_per_step, H, W, C]
  at::Tensor taken_;
};

}  // namespace valley
