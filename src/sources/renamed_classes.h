// A source with other names of its classes, such as for those of MNIST, which are numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/image_source.h"
#include "sources/wrapped_source.h"

namespace valley {

// "cat,dog,eel", or a file with a name per line or a JSON list of names. Errors: kUsage for a text
// that is neither a file nor has a comma; kData for empty names and names that repeat.
[[nodiscard]] std::vector<std::string> read_label_names(const std::string& text);

class RenamedClasses final : public WrappedSource {
 public:
  // Error kUsage, naming both numbers, unless there is a name for each class: the class names of
  // `source`, else labels from 0 to the largest.
  RenamedClasses(std::unique_ptr<ImageSource> source, std::vector<std::string> names);

  [[nodiscard]] std::vector<std::string> class_names() const override { return names_; }
  [[nodiscard]] std::string identity_json() const override;

 private:
  std::vector<std::string> names_;
};

// `source`, renamed if there is a text for read_label_names.
[[nodiscard]] std::unique_ptr<ImageSource> with_label_names(std::unique_ptr<ImageSource> source,
                                                            const std::optional<std::string>& text);

}  // namespace valley
