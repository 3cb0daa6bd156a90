#include "train/failure.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>

namespace valley {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return {ExitCode::kOutOfMemory,
            std::string("out of GPU memory; set a smaller train.microbatch. ") +
                error.what_without_backtrace()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::kOutOfMemory, "out of memory; set a smaller train.microbatch"};
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("can't allocate memory") != std::string::npos)
      return {ExitCode::kOutOfMemory, "out of memory; set a smaller train.microbatch. " + what};
    return {ExitCode::kInternal, error.what()};
  } catch (const std::exception& error) {
    return {ExitCode::kInternal, error.what()};
  } catch (...) {
    return {ExitCode::kInternal, "an exception that is no std::exception"};
  }
}

}  // namespace valley
