// Classes of one set of images as those of another. A class is its number; its name is a label, and
// names need not be unique (ImageNet has "crane" and "maillot" twice). Two lists that are equal
// number their classes alike. Otherwise classes are matched by name, and a name that stands for
// several classes matches none of them: that is an error, never a guess.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace valley {

using ClassNames = std::vector<std::string>;

// For each class of the images (named `names`) the number of the model's class. Errors kData naming
// `model`: a name that the model does not have, or that stands for several classes on either side.
[[nodiscard]] std::vector<std::int64_t> match_classes(const ClassNames& names,
                                                      const ClassNames& model_names,
                                                      const std::string& model);

struct JoinedClasses {
  ClassNames names;
  // For each part, for each of its classes: its number among `names`.
  std::vector<std::vector<std::int64_t>> numbers;
};

// The classes of several sets of images: equal names of different sets are one class. Error kData
// naming the sets (`sources`, one per part) where a name in two unequal lists stands for several
// classes of one of them.
[[nodiscard]] JoinedClasses join_classes(const std::vector<ClassNames>& parts,
                                         const std::vector<std::string>& sources);

// The names as labels of tables and columns: those that occur more than once get their number,
// "crane (134)".
[[nodiscard]] ClassNames distinct_names(const ClassNames& names);

}  // namespace valley
