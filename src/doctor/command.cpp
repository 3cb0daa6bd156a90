#include "doctor/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/error.h"

namespace valley::doctor {
namespace {

using Clock = std::chrono::steady_clock;
using Pipe = std::array<int, 2>;

constexpr int kCannotStart = 127;
constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 20;  // per stream

[[noreturn]] void become(const std::vector<std::string>& words,
                         const std::map<std::string, std::string>& environment, const Pipe& out,
                         const Pipe& err) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out[1], STDOUT_FILENO);
  ::dup2(err[1], STDERR_FILENO);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  const std::string why = std::string(std::strerror(errno)) + "\n";
  [[maybe_unused]] const ::ssize_t n = ::write(STDERR_FILENO, why.data(), why.size());
  std::_Exit(kCannotStart);
}

// Appends available bytes; false at the end of the stream.
bool read_available(int descriptor, std::string& text) {
  std::array<char, 4096> block{};
  const ::ssize_t n = ::read(descriptor, block.data(), block.size());
  if (n < 0) return errno == EINTR;
  if (text.size() < kMaxOutputBytes) text.append(block.data(), static_cast<std::size_t>(n));
  return n > 0;
}

// Reads both streams until both end; false after the deadline.
bool read_until_end(int out, int err, Clock::time_point deadline, CommandResult& result) {
  std::array<::pollfd, 2> open{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    if (::poll(open.data(), open.size(), static_cast<int>(left)) < 0 && errno != EINTR)
      return false;
    if (open[0].revents != 0 && !read_available(out, result.out)) open[0].fd = -1;
    if (open[1].revents != 0 && !read_available(err, result.err)) open[1].fd = -1;
  }
  return true;
}

int wait_for(::pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& words,
                          const std::map<std::string, std::string>& environment,
                          std::chrono::milliseconds limit) {
  Pipe out{};
  Pipe err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) {
    throw Error(ExitCode::kConfig,
                "a pipe to {} could not be created: {}; raise the limit of open files (ulimit -n)",
                words.front(), std::strerror(errno));
  }
  const ::pid_t child = ::fork();
  if (child < 0) {
    throw Error(ExitCode::kConfig,
                "{} could not be started: {}; raise the limit of processes (ulimit -u)",
                words.front(), std::strerror(errno));
  }
  if (child == 0) become(words, environment, out, err);
  ::close(out[1]);
  ::close(err[1]);

  constexpr std::chrono::seconds kGrace{2};
  CommandResult result;
  result.timed_out = !read_until_end(out[0], err[0], Clock::now() + limit, result);
  if (result.timed_out) {
    ::kill(child, SIGTERM);
    read_until_end(out[0], err[0], Clock::now() + kGrace, result);
    ::kill(-child, SIGKILL);
    ::kill(child, SIGKILL);
  }
  result.exit_code = wait_for(child);
  ::close(out[0]);
  ::close(err[0]);
  return result;
}

std::optional<std::filesystem::path> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path candidate = std::filesystem::path(folder) / name;
    std::error_code ignored;
    if (::access(candidate.c_str(), X_OK) == 0 &&
        std::filesystem::is_regular_file(candidate, ignored))
      return candidate;
  }
  return std::nullopt;
}

std::string first_text_line(const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(" -=\t\r") != std::string::npos) return line;
  }
  return "";
}

}  // namespace valley::doctor
