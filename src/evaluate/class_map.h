// Matching of the classes of different sets of images. A class is an index, and class names need
// not be unique (ImageNet has "crane" and "maillot" twice). Equal lists of names are matched by
// index. Other lists are matched by name, where a name of several classes is an error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace valley {

using ClassNames = std::vector<std::string>;

// For each class of the images, the index of the model's class. Errors kData naming `model`: a name
// that the model does not have, or that several classes have on either side.
[[nodiscard]] std::vector<std::int64_t> match_classes(const ClassNames& names,
                                                      const ClassNames& model_names,
                                                      const std::string& model);

struct JoinedClasses {
  ClassNames names;
  // For each part and each of its classes: index in `names`.
  std::vector<std::vector<std::int64_t>> indices;
};

// Union of the classes of several sets of images, where equal names of different sets are one
// class. Error kData naming the sets (`sources`, one per part) if several classes of a set share a
// name that another set has too, unless all lists are equal.
[[nodiscard]] JoinedClasses join_classes(const std::vector<ClassNames>& parts,
                                         const std::vector<std::string>& sources);

// The names with the index appended to those that are not unique, "crane (134)".
[[nodiscard]] ClassNames distinct_names(const ClassNames& names);

}  // namespace valley
