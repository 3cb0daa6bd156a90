#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>

#include "comm/world.h"

namespace valley {
namespace {

constexpr unsigned kLauncherPatience = 2;  // seconds
constexpr int kDescriptors = 4096;

// By its name. Calls only what is allowed after a fork in a process with several threads.
bool is_mpi_launcher(const char* name_file) {
  std::array<char, 32> name{};
  const int descriptor = ::open(name_file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const ::ssize_t n = ::read(descriptor, name.data(), name.size());
  ::close(descriptor);
  if (n <= 1) return false;
  const std::string_view text(name.data(), static_cast<std::size_t>(n - 1));  // without its newline
  constexpr std::array<std::string_view, 5> kLaunchers = {"mpirun", "orterun", "prterun", "orted",
                                                          "prted"};
  return std::ranges::find(kLaunchers, text) != kLaunchers.end();
}

}  // namespace

void end_launcher_later() {
  const ::pid_t rank = ::getpid();
  const ::pid_t launcher = ::getppid();
  const std::string name_file = fmt::format("/proc/{}/comm", launcher);
  if (!is_mpi_launcher(name_file.c_str())) return;
  const ::pid_t child = ::fork();
  if (child < 0) return;
  if (child > 0) {
    ::waitpid(child, nullptr, 0);
    return;
  }
  // In a session of its own, because the launcher kills the process groups of its ranks; without
  // their output, whose end the launcher waits for; and as a child of init.
  ::setsid();
  for (int descriptor = 0; descriptor < kDescriptors; ++descriptor) ::close(descriptor);
  if (::fork() != 0) ::_exit(0);
  for (unsigned left = kLauncherPatience; left > 0; --left) {
    ::sleep(1);
    if (::kill(launcher, 0) != 0) ::_exit(0);
  }
  if (is_mpi_launcher(name_file.c_str())) {
    ::kill(launcher, SIGKILL);
    ::kill(rank, SIGKILL);  // waits for the launcher in MPI_Abort
  }
  ::_exit(0);
}

}  // namespace valley
