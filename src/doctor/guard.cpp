#include "doctor/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

namespace valley::doctor {
namespace {

using Clock = std::chrono::steady_clock;

void write_all(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ::ssize_t n = ::write(descriptor, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void run_in_child(const std::string& group, const Check& check, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // ends with this process
  const Notes notes(group, [pipe](const std::string& line) { write_all(pipe, line + "\n"); });
  try {
    check(notes);
  } catch (const Error& error) {
    notes.fail(error.code(), "check", error.what(), "");
  } catch (const std::exception& error) {
    notes.fail(ExitCode::kInternal, "check", error.what(), "this is a bug: please report it");
  }
  std::_Exit(0);
}

// Reads until the child closes its end; false after the deadline.
bool collect(int pipe, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> block{};
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    ::pollfd waiting{pipe, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ::ssize_t n = ::read(pipe, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    text.append(block.data(), static_cast<std::size_t>(n));
  }
}

Notes make_notes(const std::string& group, Checkup& checkup) {
  return {group, [&checkup](const std::string& line) { add_line(checkup, line); }};
}

void describe_end(int status, const Notes& notes) {
  if (!WIFSIGNALED(status)) return;
  notes.fail(
      ExitCode::kInternal, "check",
      fmt::format("ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status))),
      "the other checks have run; please report this crash");
}

}  // namespace

bool run_guarded(const std::string& group, std::chrono::milliseconds limit, ExitCode hang_code,
                 const Check& check, Checkup& checkup) {
  const Notes notes = make_notes(group, checkup);
  std::array<int, 2> ends{};
  std::fflush(nullptr);
  const bool has_pipe = ::pipe2(ends.data(), O_CLOEXEC) == 0;
  const ::pid_t child = has_pipe ? ::fork() : -1;
  if (child < 0) {
    notes.fail(ExitCode::kConfig, "check",
               fmt::format("a process for it could not be started: {}", std::strerror(errno)),
               "raise the limits of open files and processes (ulimit -n, ulimit -u)");
    if (has_pipe) {
      ::close(ends[0]);
      ::close(ends[1]);
    }
    return true;
  }
  if (child == 0) run_in_child(group, check, ends[1]);

  ::close(ends[1]);
  std::string text;
  const bool finished = collect(ends[0], Clock::now() + limit, text);
  ::close(ends[0]);
  add_lines(checkup, text);
  int status = 0;
  if (finished) {
    ::waitpid(child, &status, 0);
    describe_end(status, notes);
    return true;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status,
            WNOHANG);  // a process that waits for a dead file server cannot be killed
  notes.fail(hang_code, "check", fmt::format("no answer within {} s", limit.count() / 1000),
             "this check hangs, and a run would hang as well");
  return false;
}

}  // namespace valley::doctor
