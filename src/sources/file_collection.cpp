#include "sources/file_collection.h"

namespace valley {

const std::vector<std::int64_t>& FileCollection::own_labels() const {
  static const std::vector<std::int64_t> none;
  return none;
}

const std::vector<std::string>& FileCollection::own_names() const {
  static const std::vector<std::string> none;
  return none;
}

}  // namespace valley
