// Chains that training goes on with, in parts: one for each microbatch of this rank, so that what a
// chain starts from does not depend on the number of ranks.
//
// A part is a ring of slots for the chains of some steps: a step's chains take the places of the
// oldest step's, and chains start from slots drawn with replacement (as in the authors' code of
// IGEBM, Du & Mordatch 2019). Pixels are kept as bytes, as there: floor(256 x), given back as (byte
// + u) / 256 with u ~ U(0, 1), so that 10,000 chains of 256x256x3 take 1.97 GB instead of 7.9.
// (Their code scales by 255 on the way in and by 256 on the way out, which darkens chains a little
// at every visit.)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "samplers/langevin.h"

namespace valley {

// Bytes of images: float [B, C, H, W] in [0, 1] to uint8 [B, H, W, C] on the same device.
[[nodiscard]] at::Tensor pixels_of_chains(const at::Tensor& images);

struct ReplayShape {
  std::int64_t parts = 1;
  std::int64_t slots = 0;   // of each part, a multiple of a_step
  std::int64_t a_step = 1;  // chains that each part takes a step
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
};

class ReplayBuffer {
 public:
  // `restart`: the share of chains that start from uniform noise instead of a slot.
  ReplayBuffer(const ReplayShape& shape, double restart, at::Device device);

  struct Start {
    at::Tensor images;     // float [n, C, H, W] in [0, 1], channels_last
    at::Tensor restarted;  // float [n]: 1 where the chain begins from noise, else 0
  };
  // Where n chains begin, drawn from Philox streams kReplay and kReplayStart (place.stream is not
  // looked at): from noise, all of them as long as the part is empty.
  [[nodiscard]] Start draw(std::int64_t part, const ChainPlace& place, std::int64_t n) const;

  // Hands over a step's chains of one part: float [a_step, C, H, W] in [0, 1]. `draw` does not know
  // them before `commit`.
  void put(std::int64_t part, const at::Tensor& images);
  // Takes what was put into every part, unless `ok` (bool [] on the device) is false.
  void commit(const at::Tensor& ok);

  // The newest chains of a part, newest step first: uint8 [at most n, H, W, C] on the host. Waits
  // for the device.
  [[nodiscard]] at::Tensor newest(std::int64_t part, std::int64_t n) const;

  [[nodiscard]] const at::Tensor& slots() const { return slots_; }  // uint8 [parts, slots, H, W, C]
  // int64 [] on the device: how many chains each part ever took.
  [[nodiscard]] const at::Tensor& taken() const { return taken_; }

 private:
  ReplayShape shape_;
  double restart_;
  at::Tensor slots_;
  at::Tensor put_;  // uint8 [parts, a_step, H, W, C]
  at::Tensor taken_;
};

}  // namespace valley
