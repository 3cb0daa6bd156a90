// Order of images: a pure function of (seed, number of images, position), independent of the number
// of ranks.
//
// Position p counts the images seen since the start of training; its epoch is p / n. Each epoch is
// a permutation of all n images, so batches may straddle epochs and nothing is padded or dropped.
// O(1) memory: a balanced Feistel network with cycle walking, keyed by hash64(seed, epoch, stage).
//
// In a mixture of several parts, positions are distributed so that any range of p positions has
// p * share images of a part, up to one per part before it. Each part has epochs of its own, with
// all its images once; p / n is the mean number of times that an image was seen.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace valley {

enum class OrderKind {
  kGlobal,  // one permutation of all images
  kWindow,  // for disks and networks: permutes blocks of 32 adjacent images, and the images within
            // windows of about 16 thousand
};
// Values of data.order, in the order of the enum: "global", "window".
[[nodiscard]] std::vector<std::string> order_names();
[[nodiscard]] OrderKind parse_order(const std::string& name);  // Error kConfig naming the values

// A permutation of [0, n), n >= 1, keyed by 64 bits.
class FeistelPermutation {
 public:
  FeistelPermutation(std::uint64_t n, std::uint64_t key);
  [[nodiscard]] std::uint64_t operator()(std::uint64_t index) const;  // index < n

 private:
  std::uint64_t n_;
  std::uint64_t key_;
  unsigned half_bits_;
};

// One part of a mixture.
struct OrderPart {
  std::uint64_t images = 0;
  double weight = 1;  // relative to the others
};

class Order {
 public:
  Order(std::uint64_t seed, std::uint64_t n, OrderKind kind);
  // A mixture of parts, whose images follow each other; a single part has the order of the
  // constructor above.
  Order(std::uint64_t seed, const std::vector<OrderPart>& parts, OrderKind kind);
  [[nodiscard]] std::uint64_t image_at(std::uint64_t position) const;  // in [0, n)
  // True if the image at `position` was at no earlier position.
  [[nodiscard]] bool is_first_pass(std::uint64_t position) const;
  [[nodiscard]] std::uint64_t size() const { return n_; }

 private:
  // A part, and the share of the positions that no earlier part has, in 1 / kShareUnit.
  struct Part;
  struct Draw {
    const Part* part;
    std::uint64_t position;  // in the part
  };
  [[nodiscard]] Draw draw_at(std::uint64_t position) const;
  [[nodiscard]] std::uint64_t windowed(std::uint64_t epoch, std::uint64_t index) const;
  std::shared_ptr<const std::vector<Part>> parts_;  // null without a mixture
  std::uint64_t seed_;
  std::uint64_t n_;
  OrderKind kind_;
};

}  // namespace valley
