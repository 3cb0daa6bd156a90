// Several sources as one: the candidates of the first, then those of the second, and so on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/image_source.h"

namespace valley {

struct NamedSource {
  std::string name;  // prefix of the names of its images: "NAME/..."; unique
  std::unique_ptr<ImageSource> source;
};

class SeveralSources final : public ImageSource {
 public:
  // Classes of equal names become one; the union is sorted by bytes. Without class names numbers
  // are kept. Error kUsage if some sources with labels have class names and others do not, or if
  // the names of their label vectors differ.
  explicit SeveralSources(std::vector<NamedSource> sources);

  [[nodiscard]] std::uint64_t size() const override { return ends_.back(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override;
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override;
  [[nodiscard]] std::vector<std::string> class_names() const override { return class_names_; }
  [[nodiscard]] std::optional<std::array<std::uint32_t, 2>> orig_size(
      std::uint64_t index) const override;
  [[nodiscard]] std::vector<std::string> label_vector_names() const override {
    return sources_.front().source->label_vector_names();
  }
  [[nodiscard]] std::vector<float> label_vector(std::uint64_t index) const override;
  [[nodiscard]] std::string identity_json() const override;
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;
  // That of all sources, if it is the same.
  [[nodiscard]] std::optional<FileDecoding> decoding() const override;
  void expect_order(const ReadingOrder& order) const override;
  [[nodiscard]] std::string listing() const override;

 private:
  class Reader;
  struct Place {
    std::size_t source = 0;
    std::uint64_t index = 0;
  };
  [[nodiscard]] Place place_of(std::uint64_t index) const;
  void merge_classes();
  void require_same_vectors() const;

  std::vector<NamedSource> sources_;
  std::vector<std::uint64_t> ends_;  // candidates up to the end of each source
  std::vector<std::string> class_names_;
  std::vector<std::vector<std::int64_t>> classes_;  // number of each source's class
};

// "photos" for "data/photos", "photos.zip" and "photos.tar.gz"; with "-2", "-3" where it repeats.
[[nodiscard]] std::vector<std::string> unique_names(const std::vector<std::string>& sources);

}  // namespace valley
