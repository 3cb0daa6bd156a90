// Starts another program and waits for it, but not for ever.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace valley::doctor {

struct CommandResult {
  int exit_code = 0;  // 128 + signal when one ended it; 127 when it could not be started
  bool timed_out = false;
  std::string out;
  std::string err;

  [[nodiscard]] bool succeeded() const { return exit_code == 0 && !timed_out; }
};

// Runs `words` (the first is the program, a path) with `environment` added to this process's. After
// `limit` the program gets TERM, and with its children KILL two seconds later. Its stdin is empty.
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& words,
                                        const std::map<std::string, std::string>& environment,
                                        std::chrono::milliseconds limit);

// Where `name` lies on the PATH.
[[nodiscard]] std::optional<std::filesystem::path> find_program(const std::string& name);

// The first line that says something: not blank and no ruler of dashes.
[[nodiscard]] std::string first_words(const std::string& text);

}  // namespace valley::doctor
