#include "experiment/trace_range.h"

#include "core/error.h"
#include "core/numbers.h"

namespace valley {

std::optional<TraceRange> parse_trace_range(const std::string& text, const std::string& what) {
  if (text.empty()) return std::nullopt;
  const std::size_t dash = text.find('-');
  if (dash != std::string::npos) {
    const auto first = parse_number<std::int64_t>(std::string_view(text).substr(0, dash));
    const auto last = parse_number<std::int64_t>(std::string_view(text).substr(dash + 1));
    if (first && last && 1 <= *first && *first <= *last) return TraceRange{*first, *last};
  }
  throw Error(ExitCode::kConfig,
              "{} = \"{}\" does not name steps; write the first and the last step that are traced, "
              "such as \"100-110\" (steps count from 1), or leave it empty for no trace",
              what, text);
}

}  // namespace valley
