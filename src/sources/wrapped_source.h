// Base of sources that change something of another source: passes every call on to it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/image_source.h"

namespace valley {

class WrappedSource : public ImageSource {
 public:
  [[nodiscard]] std::uint64_t size() const override { return source_->size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return source_->name(index);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return source_->label(index);
  }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return source_->class_names();
  }
  [[nodiscard]] std::vector<std::string> label_vector_names() const override {
    return source_->label_vector_names();
  }
  [[nodiscard]] std::vector<float> label_vector(std::uint64_t index) const override {
    return source_->label_vector(index);
  }
  [[nodiscard]] std::optional<std::array<std::uint32_t, 2>> orig_size(
      std::uint64_t index) const override {
    return source_->orig_size(index);
  }
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override {
    return source_->open_reader();
  }
  [[nodiscard]] std::optional<FileDecoding> decoding() const override {
    return source_->decoding();
  }
  void expect_order(const ReadingOrder& order) const override { source_->expect_order(order); }
  [[nodiscard]] std::string listing() const override { return source_->listing(); }

 protected:
  explicit WrappedSource(std::unique_ptr<ImageSource> source) : source_(std::move(source)) {}
  [[nodiscard]] const ImageSource& source() const { return *source_; }

 private:
  std::unique_ptr<ImageSource> source_;
};

}  // namespace valley
