#include "tiny_disk.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

namespace valley {
namespace {

constexpr int kFailedStatus = 1;
constexpr int kNotPermittedStatus = 77;

bool enter_namespace() {
  if (::unshare(CLONE_NEWNS) == 0) return true;
  const auto user = ::getuid();
  const auto group = ::getgid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << fmt::format("0 {} 1", user);
  std::ofstream("/proc/self/gid_map") << fmt::format("0 {} 1", group);
  return true;
}

int run_body(const std::filesystem::path& folder, long bytes, const std::function<void()>& body) {
  if (!enter_namespace() || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", folder.c_str(), "tmpfs", 0, fmt::format("size={}", bytes).c_str()) != 0)
    return kNotPermittedStatus;
  try {
    body();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
  std::fflush(nullptr);
  return ::testing::Test::HasFailure() ? kFailedStatus : 0;
}

}  // namespace

TinyDiskResult on_tiny_disk(const std::filesystem::path& folder, long bytes,
                            const std::function<void()>& body) {
  std::fflush(nullptr);
  const ::pid_t child = ::fork();
  if (child == 0) ::_exit(run_body(folder, bytes, body));
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return TinyDiskResult::kPassed;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPermittedStatus)
    return TinyDiskResult::kNotPermitted;
  return TinyDiskResult::kFailed;
}

}  // namespace valley
