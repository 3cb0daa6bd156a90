// Runs a test's body with a small tmpfs mounted over a folder.
#pragma once

#include <filesystem>
#include <functional>

namespace valley {

enum class TinyDiskResult { kPassed, kFailed, kNotPermitted };

// Forks; the child takes a mount namespace of its own (as root, or in a user namespace), mounts a
// tmpfs of `bytes` over `folder` and runs `body`. kFailed when an EXPECT in it failed, which the
// child prints. kNotPermitted if the host allows neither way.
[[nodiscard]] TinyDiskResult on_tiny_disk(const std::filesystem::path& folder, long bytes,
                                          const std::function<void()>& body);

}  // namespace valley
