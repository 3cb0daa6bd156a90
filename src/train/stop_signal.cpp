#include "train/stop_signal.h"

#include <csignal>

namespace valley {
namespace {

// A signal handler can reach nothing but a global.
volatile std::sig_atomic_t stop_flag = 0;

void on_signal(int /*signal*/) { stop_flag = 1; }

}  // namespace

void install_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGUSR1, &action, nullptr);
}

bool stop_was_asked_for() { return stop_flag != 0; }

}  // namespace valley
