#include "report/log_file.h"

#include <algorithm>
#include <map>

namespace valley::report {
namespace {

// "[2] text" without the rank.
std::string_view without_rank(std::string_view text) {
  if (!text.starts_with('[')) return text;
  const std::size_t close = text.find("] ");
  const bool is_rank =
      close != std::string_view::npos &&
      text.substr(1, close - 1).find_first_not_of("0123456789") == std::string_view::npos;
  return is_rank ? text.substr(close + 2) : text;
}

}  // namespace

std::vector<LogMessage> find_warnings(std::string_view log) {
  std::vector<LogMessage> messages;
  std::map<std::string_view, std::size_t> known;
  for (std::size_t begin = 0, end = 0; begin < log.size(); begin = end + 1) {
    end = std::min(log.find('\n', begin), log.size());
    const std::string_view line = log.substr(begin, end - begin);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string_view text = without_rank(line.substr(space + 1));
    if (!text.starts_with("warning: ") && !text.starts_with("error: ")) continue;
    const auto [found, is_new] = known.try_emplace(text, messages.size());
    if (is_new) {
      messages.push_back({std::string(line.substr(0, space)), std::string(text)});
    } else {
      ++messages[found->second].times;
    }
  }
  return messages;
}

}  // namespace valley::report
