// CIFAR's binary version in a tar file.
#include "sources/cifar.h"

#include "collections.h"
#include "fuzz_input.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const InputFile file(input);
  read_all(open_cifar_archive(file.path(), CifarPart::kAll));
}

}  // namespace valley::fuzz
