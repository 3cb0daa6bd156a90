// Runs another program with a time limit.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace valley::doctor {

struct CommandResult {
  int exit_code = 0;  // 128 + signal if a signal ended it; 127 if it could not be started
  bool timed_out = false;
  std::string out;
  std::string err;

  [[nodiscard]] bool succeeded() const { return exit_code == 0 && !timed_out; }
};

// Runs `words` (the first is the path of the program) with `environment` added to that of this
// process and empty stdin. After `limit` it gets SIGTERM, and two seconds later SIGKILL with its
// children.
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& words,
                                        const std::map<std::string, std::string>& environment,
                                        std::chrono::milliseconds limit);

// Path of `name` on the PATH.
[[nodiscard]] std::optional<std::filesystem::path> find_program(const std::string& name);

// The first line that is not blank and not a ruler of dashes.
[[nodiscard]] std::string first_text_line(const std::string& text);

}  // namespace valley::doctor
