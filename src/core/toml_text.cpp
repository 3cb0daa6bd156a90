#include "core/toml_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace valley {
namespace {

// Counts levels without parsing. Up to the first error of the parser, strings and comments end
// where the parser ends them.
class TomlDepth {
 public:
  explicit TomlDepth(std::string_view text) : text_(text) {}

  // First byte beyond the limit.
  std::optional<std::size_t> find_excess() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        skip_string(c);
      } else {
        count(c);
        if (depth_ > kMaxTomlDepth || dots_ > kMaxTomlDepth) return at_;
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  void count(char c) {
    if (c == '[' || c == '{') {
      open_.push_back(1 + key_dots_);
      depth_ += open_.back();
      dots_ = key_dots_ = 0;
    } else if (c == ']' || c == '}') {
      if (!open_.empty()) {
        depth_ -= open_.back();
        open_.pop_back();
      }
      dots_ = key_dots_ = 0;
    } else if (c == '=') {
      key_dots_ = dots_;
      dots_ = 0;
    } else if (c == ',' || c == '\n') {
      dots_ = key_dots_ = 0;
    } else if (c == '.') {
      ++dots_;
    }
  }

  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool is_multiline = text_.substr(at_, 3) == three;
    at_ += is_multiline ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (!is_multiline && (text_[at_] == quote || text_[at_] == '\n')) {
        at_ += text_[at_] == quote ? 1 : 0;
        return;
      } else if (is_multiline && text_.substr(at_, 3) == three) {
        at_ += 3;
        // Up to two quotes before the closing ones belong to the text.
        for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) ++at_;
        return;
      } else {
        ++at_;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;          // levels of the open values
  std::size_t dots_ = 0;           // dots of the current key or number
  std::size_t key_dots_ = 0;       // dots of the key whose value is being read
  std::vector<std::size_t> open_;  // levels that each open bracket adds
};

Error toml_error(std::string_view text, const std::string& file, std::size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column =
      columns(newline == std::string_view::npos ? before : before.substr(newline + 1)) + 1;
  return {ExitCode::kConfig,
          "{}:{}:{}: more than {} levels of nested keys and values; a key is a section and a name, "
          "such as train.steps = 1000",
          file,
          line,
          column,
          kMaxTomlDepth};
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& file) {
  if (const auto byte = TomlDepth(text).find_excess()) throw toml_error(text, file, *byte);
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    throw Error(ExitCode::kConfig, "{}:{}:{}: {}", file, at.line, at.column, error.description());
  }
}

}  // namespace valley
