#include "run/stop_signal.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>

namespace valley {
namespace {

// Globals, as a signal handler has no other state.
volatile std::sig_atomic_t stop_flag = 0;
volatile std::sig_atomic_t prints_notice = 0;

constexpr std::string_view kNotice =
    "\nstopping with a checkpoint after this step; Ctrl-C again ends at once, without one\n";

constexpr std::string_view kCpuNotice =
    "\nthe limit on CPU time (ulimit -t) is reached: stopping with a checkpoint after this step\n";

void on_signal(int /*signal*/) { stop_flag = 1; }

void on_cpu_limit(int number) {
  const int saved = errno;
  stop_flag = 1;
  std::signal(number, SIG_IGN);  // the kernel sends it again every second
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, kCpuNotice.data(), kCpuNotice.size());
  errno = saved;
}

void on_interrupt(int number) {
  const int saved = errno;
  stop_flag = 1;
  std::signal(number, SIG_DFL);
  if (prints_notice != 0) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kNotice.data(), kNotice.size());
  }
  errno = saved;
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

// True for background jobs of a shell: they are launched with INT ignored and do not get Ctrl-C.
bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void install_stop_signals(bool prints) {
  prints_notice = prints ? 1 : 0;
  handle(SIGTERM, on_signal);
  handle(SIGUSR1, on_signal);
  handle(SIGXCPU, on_cpu_limit);
  if (!is_ignored(SIGINT)) handle(SIGINT, on_interrupt);
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : {SIGTERM, SIGUSR1, SIGINT, SIGXCPU}) sigaddset(&ours, number);
  ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

bool is_stop_requested() { return stop_flag != 0; }

}  // namespace valley
