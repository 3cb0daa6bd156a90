// EXPECT that `action` throws valley::Error with `code` and every one of `words` in its message.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace valley {

template <typename Action>
void expect_error(ExitCode code, const std::vector<std::string>& words, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "no Error; expected code " << static_cast<int>(code);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "'" << word << "' is not in: " << error.what();
  }
}

}  // namespace valley
