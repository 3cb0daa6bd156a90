// The lock of a run directory. Used by run_directory.cpp only.
#pragma once

#include <filesystem>

namespace valley {

// Locks `directory` and writes this process's host, pid and job into the lock file; returns the
// descriptor, which holds the lock until it is closed. Error kUsage naming the holder if another
// process has it; `name`: the directory in messages.
[[nodiscard]] int take_run_lock(const std::filesystem::path& directory,
                                const std::filesystem::path& name);

// The same Error if another process holds the lock, without taking or creating it.
void require_run_unlocked(const std::filesystem::path& directory);

[[nodiscard]] bool is_run_locked(const std::filesystem::path& directory);

// Empties and closes the lock file.
void release_run_lock(int descriptor) noexcept;

}  // namespace valley
