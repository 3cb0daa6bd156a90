// Zip files.
#include "collections.h"
#include "fuzz_input.h"
#include "sources/zip_files.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const InputFile file(input);
  read_all(ZipFiles(file.path()));
}

}  // namespace valley::fuzz
