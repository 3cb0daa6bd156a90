#include "tools/tar_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kRecord = 20 * kBlock;

// The header block of a regular file. Numbers are octal.
std::string ustar_header(std::string_view path, std::uint64_t bytes) {
  constexpr std::size_t kMaxPath = 100;
  constexpr std::size_t kChecksumAt = 148;
  VALLEY_CHECK(path.size() <= kMaxPath);
  std::string block(kBlock, '\0');
  const auto set = [&block](std::size_t at, std::string_view text) {
    std::ranges::copy(text, block.begin() + static_cast<std::ptrdiff_t>(at));
  };
  set(0, path);
  set(100, "0000644");
  set(108, "0000000");
  set(116, "0000000");
  set(124, fmt::format("{:011o}", bytes));
  set(136, "00000000000");
  set(kChecksumAt, "        ");
  set(156, "0");
  set(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  set(kChecksumAt, fmt::format("{:06o}", sum));
  block[kChecksumAt + 6] = '\0';
  return block;
}

}  // namespace

void TarWriter::put(std::string_view bytes) {
  file_.write(bytes);
  offset_ += bytes.size();
}

void TarWriter::pad_to(std::uint64_t multiple) {
  const std::uint64_t over = offset_ % multiple;
  if (over > 0) put(std::string(multiple - over, '\0'));
}

void TarWriter::add(std::string_view path, std::string_view content) {
  put(ustar_header(path, content.size()));
  put(content);
  pad_to(kBlock);
}

std::uint64_t TarWriter::commit() {
  put(std::string(2 * kBlock, '\0'));
  pad_to(kRecord);
  file_.commit();
  return offset_;
}

}  // namespace valley
