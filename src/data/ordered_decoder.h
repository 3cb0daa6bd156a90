// Decodes, fits and encodes images on several threads and returns them in order, so that results do
// not depend on the number of threads.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "data/pixel_sums.h"
#include "data/storage.h"
#include "image/fit.h"
#include "image/image_source.h"

namespace valley {

// A decoded image, or the reason for rejecting it.
struct Decoded {
  std::uint64_t candidate = 0;  // its index in the source
  std::optional<Reject> reject;
  std::vector<std::uint8_t> record;          // as it is stored: pixels or an encoded file
  std::uint8_t codec = 0;                    // of an encoded record: see codec_of
  std::uint32_t crc32c = 0;                  // of the record
  std::array<std::uint32_t, 2> orig_size{};  // height, width
  PixelSums sums;                            // of the pixels that readers get
  std::exception_ptr failure = nullptr;      // failure other than of the image
};

class OrderedDecoder {
 public:
  // Positions [first, end) in the order of `candidate_at`; calls it and the source from any thread.
  // Holds at most 4 * jobs + 16 images.
  OrderedDecoder(const ImageSource& source, const ImageForm& form,
                 std::function<std::uint64_t(std::uint64_t)> candidate_at, std::uint64_t first,
                 std::uint64_t end, unsigned jobs);
  ~OrderedDecoder();
  OrderedDecoder(const OrderedDecoder&) = delete;
  OrderedDecoder& operator=(const OrderedDecoder&) = delete;

  // Image at the next position; call at most end - first times. Rethrows exceptions of threads.
  [[nodiscard]] Decoded next();

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
