// Tar files, plain and compressed, with webdataset's labels and dataset.json.
#include "collections.h"
#include "fuzz_input.h"
#include "sources/tar_files.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const InputFile file(input);
  read_all(TarFiles({file.path()}));
}

}  // namespace valley::fuzz
