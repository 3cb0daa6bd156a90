// Recognizes exceptions of failed allocations.
#pragma once

#include <exception>
#include <optional>
#include <string>

namespace valley {

// Message, without a stack trace, for exceptions that LibTorch and the standard library throw when
// an allocation fails on a GPU or the host; nullopt for any other exception.
[[nodiscard]] std::optional<std::string> out_of_memory_text(const std::exception& error);

}  // namespace valley
