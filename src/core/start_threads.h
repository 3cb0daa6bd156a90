// Starting threads on systems that may refuse them: no memory for the stack, or no process slot
// (`ulimit -u`, a container's pids.max).
#pragma once

#include <cstddef>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"

namespace valley {

// kOutOfMemory, with advice, for threads that do `work`, such as "reading images".
[[nodiscard]] Error no_thread_left(std::string_view work);

// Adds threads of `body` to `threads`, a vector of std::thread or std::jthread, until `count` were
// added or the system refuses one; returns the number added.
template <typename Threads, typename Body>
std::size_t start_threads(Threads& threads, std::size_t count, const Body& body) {
  threads.reserve(threads.size() + count);
  for (std::size_t started = 0; started < count; ++started) {
    try {
      threads.emplace_back(body);
    } catch (const std::system_error&) {
      return started;
    }
  }
  return count;
}

// A thread that does `work`; throws no_thread_left(work).
template <typename Body>
std::thread start_thread(std::string_view work, Body&& body) {
  try {
    return std::thread(std::forward<Body>(body));
  } catch (const std::system_error&) {
    throw no_thread_left(work);
  }
}

}  // namespace valley
