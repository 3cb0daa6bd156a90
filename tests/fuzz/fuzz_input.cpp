#include "fuzz_input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "core/error.h"

namespace valley::fuzz {

InputFile::InputFile(std::string_view input)
    : descriptor_(::memfd_create("input", MFD_CLOEXEC)),
      path_("/proc/self/fd/" + std::to_string(descriptor_)) {
  if (descriptor_ < 0) throw std::runtime_error("memfd_create failed");
  while (!input.empty()) {
    const ::ssize_t n = ::write(descriptor_, input.data(), input.size());
    if (n <= 0) throw std::runtime_error("writing the input failed");
    input.remove_prefix(static_cast<std::size_t>(n));
  }
}

InputFile::~InputFile() { ::close(descriptor_); }

}  // namespace valley::fuzz

// The entry point of libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    valley::fuzz::run({reinterpret_cast<const char*>(data), size});
  } catch (const valley::Error&) {
  }
  return 0;
}
