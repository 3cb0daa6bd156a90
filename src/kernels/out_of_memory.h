// How memory that ran out is told from other exceptions.
#pragma once

#include <exception>
#include <optional>
#include <string>

namespace valley {

// What LibTorch and the standard library throw when an allocation fails, on a GPU or on the host,
// as a sentence without a stack trace; nothing for any other exception.
[[nodiscard]] std::optional<std::string> out_of_memory_text(const std::exception& error);

}  // namespace valley
