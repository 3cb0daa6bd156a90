// Pauses of a loop that polls: short waits end within microseconds, long ones leave the processor
// to other threads.
#pragma once

#include <chrono>
#include <thread>

namespace valley {

class Pause {
 public:
  void operator()() {
    if (++calls_ < 200) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

 private:
  int calls_ = 0;
};

}  // namespace valley
