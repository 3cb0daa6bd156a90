// MNIST's idx files, plain and compressed.
#include "sources/idx.h"

#include "collections.h"
#include "fuzz_input.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const InputFile file(input);
  read_all(open_idx(file.path()));
}

}  // namespace valley::fuzz
