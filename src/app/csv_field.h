// Fields of comma-separated values (RFC 4180).
#pragma once

#include <string>

namespace valley::app {

// `field`, quoted if necessary.
[[nodiscard]] inline std::string csv_field(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

}  // namespace valley::app
