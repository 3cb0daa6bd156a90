// Decodes, fits and encodes images on several threads and returns them in order, so that results do
// not depend on the number of threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "data/decoded_stream.h"
#include "data/storage.h"
#include "image/fit.h"
#include "image/image_source.h"

namespace valley {

class OrderedDecoder final : public DecodedStream {
 public:
  // Positions [first, end) in the order of `candidate_at`; calls it and the source from any thread.
  // Holds at most 4 * jobs + 16 images.
  OrderedDecoder(const ImageSource& source, const ImageForm& form,
                 std::function<std::uint64_t(std::uint64_t)> candidate_at, std::uint64_t first,
                 std::uint64_t end, unsigned jobs);
  ~OrderedDecoder() override;
  OrderedDecoder(const OrderedDecoder&) = delete;
  OrderedDecoder& operator=(const OrderedDecoder&) = delete;

  // Image at the next position; call at most end - first times. Rethrows exceptions of threads.
  [[nodiscard]] Decoded next() override;

 private:
  void work();
  [[nodiscard]] std::optional<std::uint64_t> claim();
  [[nodiscard]] Decoded decode(ImageReader& reader, std::uint64_t position) const;
  void store(Image fitted, std::string_view file, Decoded& decoded) const;

  const ImageSource& source_;
  ImageForm form_;
  std::function<std::uint64_t(std::uint64_t)> candidate_at_;
  std::uint64_t end_;

  std::mutex mutex_;
  std::condition_variable has_room_;
  std::condition_variable has_image_;
  std::uint64_t next_to_claim_;
  std::uint64_t next_to_take_;
  std::vector<std::optional<Decoded>> slots_;  // position p is in slot p % size
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace valley
