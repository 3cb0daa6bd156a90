#include "train/failure.h"

#include <exception>

#include "kernels/out_of_memory.h"

namespace valley {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::exception& error) {
    if (const auto memory = out_of_memory_text(error))
      return {ExitCode::kOutOfMemory,
              *memory + "; free some, or use a machine or a model of another size"};
    return {ExitCode::kInternal, error.what()};
  } catch (...) {
    return {ExitCode::kInternal, "an exception that is no std::exception"};
  }
}

}  // namespace valley
