#include "sources/file_collection.h"

namespace valley {

const std::vector<std::int64_t>& FileCollection::own_labels() const {
  static const std::vector<std::int64_t> none;
  return none;
}

}  // namespace valley
