#include "core/start_threads.h"

namespace valley {

Error no_thread_left(std::string_view work) {
  return {ExitCode::kOutOfMemory,
          "the system refuses a thread for {}: free memory, or raise the limit on processes "
          "(ulimit -u; in a container its pids limit)",
          work};
}

}  // namespace valley
