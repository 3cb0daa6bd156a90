// Copies of logged warnings, for reports that repeat them.
#pragma once

#include <string>
#include <vector>

namespace valley::log {

// Keeps each warning that this process logs while the object exists. One object at a time.
class WarningRecorder {
 public:
  WarningRecorder();
  ~WarningRecorder();
  WarningRecorder(const WarningRecorder&) = delete;
  WarningRecorder& operator=(const WarningRecorder&) = delete;
  [[nodiscard]] std::vector<std::string> texts() const;

 private:
  std::vector<std::string> texts_;
};

}  // namespace valley::log
