// Weights and checkpoints in safetensors files.
#include "storage/safetensors.h"

#include <cstring>
#include <string>

#include "fuzz_input.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const InputFile file(input);
  static_cast<void>(read_safetensors(file.path()));
}

}  // namespace valley::fuzz
