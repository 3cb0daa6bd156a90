#include "app/transient_line.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "core/log.h"
#include "core/terminal.h"
#include "core/text.h"

namespace valley::app {
namespace {

constexpr std::chrono::milliseconds kBetweenPlainLines{10000};

}  // namespace

TransientLine::TransientLine(std::chrono::milliseconds between_redraws)
    : is_terminal_(is_capable_terminal(STDERR_FILENO)),
      between_(is_terminal_ ? between_redraws : kBetweenPlainLines),
      last_(std::chrono::steady_clock::now()) {}

TransientLine::~TransientLine() {
  if (is_open_) std::fputs("\r\x1b[K", stderr);
}

bool TransientLine::is_due() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < between_) return false;
  last_ = now;
  return true;
}

void TransientLine::show(const std::string& line) {
  if (!is_terminal_) {
    log::info("{}", line);
    return;
  }
  fmt::print(stderr, "\r\x1b[K{}", printable_line(line));
  std::fflush(stderr);
  is_open_ = true;
}

}  // namespace valley::app
