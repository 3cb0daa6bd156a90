#include "data/ordered_decoder.h"

#include <span>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/start_threads.h"
#include "image/jpeg_decoder.h"
#include "image/jpeg_encoder.h"

namespace valley {
namespace {

std::string_view text_of(const std::vector<std::uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

OrderedDecoder::OrderedDecoder(const ImageSource& source, const ImageForm& form,
                               std::function<std::uint64_t(std::uint64_t)> candidate_at,
                               std::uint64_t first, std::uint64_t end, unsigned jobs)
    : source_(source),
      form_(form),
      candidate_at_(std::move(candidate_at)),
      end_(end),
      next_to_claim_(first),
      next_to_take_(first),
      slots_(std::size_t{4} * jobs + 16) {
  VALLEY_CHECK(jobs >= 1);
  // With fewer threads than requested the images are the same.
  if (start_threads(threads_, jobs, [this] { work(); }) == 0)
    throw no_thread_left("decoding images");
}

OrderedDecoder::~OrderedDecoder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<std::uint64_t> OrderedDecoder::claim() {
  std::unique_lock lock(mutex_);
  has_room_.wait(lock, [this] {
    return stopping_ || next_to_claim_ == end_ || next_to_claim_ < next_to_take_ + slots_.size();
  });
  if (stopping_ || next_to_claim_ == end_) return std::nullopt;
  return next_to_claim_++;
}

Decoded OrderedDecoder::decode(ImageReader& reader, std::uint64_t position) const {
  Decoded decoded;
  decoded.candidate = candidate_at_(position);
  std::variant<Image, Reject> loaded = reader.load(decoded.candidate);
  if (auto* reject = std::get_if<Reject>(&loaded)) {
    decoded.reject = std::move(*reject);
    return decoded;
  }
  auto& image = std::get<Image>(loaded);
  decoded.orig_size = source_.orig_size(decoded.candidate)
                          .value_or(std::array{static_cast<std::uint32_t>(image.height),
                                               static_cast<std::uint32_t>(image.width)});
  decoded.reject = unfit(image.height, image.width, form_.target);
  if (!decoded.reject) store(fit(std::move(image), form_.target), reader.encoded(), decoded);
  return decoded;
}

void OrderedDecoder::store(Image fitted, std::string_view file, Decoded& decoded) const {
  const Target& target = form_.target;
  if (form_.storage.is_encoded()) {
    if (form_.copies_records) {
      VALLEY_CHECK(!file.empty());
      decoded.record.assign(file.begin(), file.end());
    } else {
      decoded.record = encode_jpeg(fitted, form_.storage.quality);
      const std::optional<Reject> failure = decode_jpeg_into(
          text_of(decoded.record), {target.height, target.width, target.channels}, fitted.pixels);
      VALLEY_CHECK(!failure);
    }
    decoded.codec = codec_of(text_of(decoded.record));
  }
  decoded.sums.add(std::as_bytes(std::span(fitted.pixels)), target.channels);
  if (!form_.storage.is_encoded()) decoded.record = std::move(fitted.pixels);
  decoded.crc32c = crc32c(std::as_bytes(std::span(decoded.record)));
}

void OrderedDecoder::work() {
  std::unique_ptr<ImageReader> reader;
  while (const std::optional<std::uint64_t> position = claim()) {
    Decoded decoded;
    try {
      if (!reader) reader = source_.open_reader();
      decoded = decode(*reader, *position);
      reader->done();
    } catch (...) {
      decoded.failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      slots_[*position % slots_.size()] = std::move(decoded);
    }
    has_image_.notify_one();
  }
}

Decoded OrderedDecoder::next() {
  Decoded decoded;
  {
    std::unique_lock lock(mutex_);
    VALLEY_CHECK(next_to_take_ < end_);
    std::optional<Decoded>& slot = slots_[next_to_take_ % slots_.size()];
    has_image_.wait(lock, [&slot] { return slot.has_value(); });
    decoded = *std::move(slot);
    slot.reset();
    ++next_to_take_;
  }
  has_room_.notify_all();
  if (decoded.failure) std::rethrow_exception(decoded.failure);
  return decoded;
}

}  // namespace valley
