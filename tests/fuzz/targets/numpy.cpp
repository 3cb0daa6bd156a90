// NumPy's .npy and .npz files.
#include "collections.h"
#include "fuzz_input.h"
#include "sources/numpy_files.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const InputFile file(input);
  if (is_npy(input)) {
    read_all(open_npy(file.path()));
  } else if (is_npz(file.path())) {
    read_all(open_npz(file.path(), std::nullopt));
  }
}

}  // namespace valley::fuzz
