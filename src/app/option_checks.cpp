#include "app/option_checks.h"

#include <cctype>
#include <filesystem>

namespace valley::app {

CLI::Validator png_name() {
  return CLI::Validator(
      [](std::string& text) {
        std::string ending = std::filesystem::path(text).extension().string();
        for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (ending == ".png" || ending.empty()) return std::string();
        return fmt::format("\"{}\" is written as PNG; name a file that ends in .png", text);
      },
      "");
}

}  // namespace valley::app
