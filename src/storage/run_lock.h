// The lock of a run directory. Used by run_directory.cpp only.
#pragma once

#include <filesystem>

namespace valley {

// Takes the lock of `directory` and writes this process's host, pid and job into it; returns the
// descriptor that holds it, until it is closed. Error kUsage naming the holder when another process
// has it; `name` is what messages call the directory.
[[nodiscard]] int take_run_lock(const std::filesystem::path& directory,
                                const std::filesystem::path& name);

// The same refusal, of a directory whose lock another process has, without taking or making it.
void require_run_unlocked(const std::filesystem::path& directory);

// Empties and closes.
void release_run_lock(int descriptor) noexcept;

}  // namespace valley
