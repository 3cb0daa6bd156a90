#include "data/record_decoder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"
#include "data/json_fields.h"
#include "image/decode.h"
#include "image/jpeg_decoder.h"

namespace valley {
namespace {

constexpr std::uint64_t kBytesPerThread = std::uint64_t{64} << 20U;
constexpr std::uint64_t kMaxPixels = 4'000'000'000;  // upper limit of --max-pixels

std::string choice_field(const JsonFields& parameters, const char* field,
                         const std::vector<std::string>& choices) {
  std::string value = parameters.text(field);
  if (std::ranges::find(choices, value) == choices.end())
    parameters.fail(field, fmt::format("one of {}", fmt::join(choices, ", ")));
  return value;
}

}  // namespace

void read_record_form(RecordForm& form, const JsonFields& parameters) {
  Target& target = form.target;
  target.transform = parse_transform(choice_field(parameters, "transform", transform_names()));
  target.filter = parse_filter(choice_field(parameters, "filter", filter_names()));
  const bool is_white = choice_field(parameters, "alpha", {"white", "black"}) == "white";
  target.background = is_white ? 255 : 0;
  const bool is_square = target.transform == Transform::kCenterCropWide ||
                         target.transform == Transform::kCenterCropDhariwal;
  if (is_square && target.height != target.width)
    parameters.fail("transform", "one for images that are not square");
  if (target.transform == Transform::kCenterCropWide) {
    target.content_height = static_cast<std::int64_t>(
        parameters.count("content_height", static_cast<std::uint64_t>(target.height)));
    if (target.content_height == 0) parameters.fail("content_height", "at least 1");
  }
  form.files.options.alpha = is_white ? Alpha::kOnWhite : Alpha::kOnBlack;
  form.files.options.apply_exif = choice_field(parameters, "exif", {"apply", "ignore"}) == "apply";
  form.files.max_pixels = parameters.count("max_pixels", kMaxPixels);
}

// A JPEG of noise at quality 100 takes less than three times the bytes of its pixels.
std::uint64_t max_record_bytes(const RecordForm& form) {
  constexpr std::uint64_t kHeaders = 65536;
  const Target& target = form.target;
  const auto pixels = static_cast<std::uint64_t>(target.height * target.width * target.channels);
  switch (form.storage.kind) {
    case StorageKind::kJpeg:
      return 4 * pixels + kHeaders;
    case StorageKind::kKeep:
      return DecodeLimits(1, form.files.max_pixels).max_bytes();
    case StorageKind::kRaw:
      break;
  }
  return pixels;
}

RecordDecoder::RecordDecoder(const RecordForm& form) : form_(form) {
  const std::uint64_t threads = std::max(1U, std::thread::hardware_concurrency());
  budget_ = std::make_unique<MemoryBudget>(
      std::max(DecodeLimits(1, form_.files.max_pixels).max_bytes(), threads * kBytesPerThread));
}

std::optional<Reject> RecordDecoder::decode_file(std::string_view record,
                                                 std::span<std::uint8_t> pixels) const {
  DecodeLimits limits(1, form_.files.max_pixels, budget_.get());
  if (std::optional<Reject> reject = limits.admit_file(record.size())) return reject;
  std::variant<Image, Reject> decoded = decode_image(record, form_.files.options, limits);
  if (auto* reject = std::get_if<Reject>(&decoded)) return std::move(*reject);
  auto& image = std::get<Image>(decoded);
  if (std::optional<Reject> reject = unfit(image.height, image.width, form_.target)) return reject;
  const Image fitted = fit(std::move(image), form_.target);
  VALLEY_CHECK(fitted.pixels.size() == pixels.size());
  std::ranges::copy(fitted.pixels, pixels.begin());
  return std::nullopt;
}

std::optional<Reject> RecordDecoder::decode(std::string_view record,
                                            std::span<std::uint8_t> pixels) const {
  if (form_.storage.kind == StorageKind::kKeep) return decode_file(record, pixels);
  const Target& target = form_.target;
  return decode_jpeg_into(record, {target.height, target.width, target.channels}, pixels);
}

}  // namespace valley
