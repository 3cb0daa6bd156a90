// safetensors_tool copy IN OUT: reads a file and writes its contents again. For the interop tests.
#include <cstdio>
#include <exception>
#include <string>

#include "core/error.h"
#include "storage/safetensors.h"

int main(int argc, char** argv) {
  if (argc != 4 || std::string(argv[1]) != "copy") {
    std::fputs("usage: safetensors_tool copy IN OUT\n", stderr);
    return static_cast<int>(valley::ExitCode::kUsage);
  }
  try {
    valley::write_safetensors(argv[3], valley::read_safetensors(argv[2]));
    return 0;
  } catch (const valley::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
