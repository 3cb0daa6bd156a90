// Converts the records of an encoded data set to pixels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "data/storage.h"
#include "image/decode_limits.h"
#include "image/image_source.h"

namespace valley {

class JsonFields;

// Reads transform, filter, alpha and exif of a data set with storage "keep" from the parameters of
// its manifest. `form` has storage, height, width and channels. Error kData naming the field.
void read_record_form(RecordForm& form, const JsonFields& parameters);

// Maximum size of a record; larger ones are damage.
[[nodiscard]] std::uint64_t max_record_bytes(const RecordForm& form);

// Any thread may call.
class RecordDecoder {
 public:
  explicit RecordDecoder(const RecordForm& form);

  // Fills `pixels` [H, W, C]. Returns the reason if the record is not an image of the data set.
  [[nodiscard]] std::optional<Reject> decode(std::string_view record,
                                             std::span<std::uint8_t> pixels) const;

 private:
  [[nodiscard]] std::optional<Reject> decode_file(std::string_view record,
                                                  std::span<std::uint8_t> pixels) const;
  RecordForm form_;
  std::unique_ptr<MemoryBudget> budget_;
};

}  // namespace valley
