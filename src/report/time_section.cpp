// The section about the time of runs.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "report/goodput.h"
#include "report/page_text.h"

namespace valley::report {
namespace {

constexpr const char* kPaused = "paused";

std::string bar(const Goodput& time) {
  std::string html = "<div class=\"timebar\">";
  for (const TimePart& part : parts_of(time))
    if (part.key != kPaused && part.seconds > 0)
      html += fmt::format("<span class=\"{}\" style=\"flex-grow:{:.6f}\" title=\"{}: {}\"></span>",
                          part.key, part.seconds / time.wall(), part.title,
                          duration_text(part.seconds));
  return html + "</div>\n";
}

std::string table(const Goodput& time) {
  std::string html =
      "<div class=\"wide\"><table class=\"times\"><thead><tr><th scope=\"col\">Part</th>"
      "<th scope=\"col\">Time</th><th scope=\"col\">Share</th></tr></thead><tbody>\n";
  for (const TimePart& part : parts_of(time)) {
    if (part.seconds <= 0) continue;
    const std::string share =
        part.key == kPaused ? "–" : fmt::format("{:.1f} %", 100 * part.seconds / time.wall());
    html += fmt::format(
        "<tr><th scope=\"row\"><span class=\"time-key {}\"></span>{}</th><td>{}</td><td>{}</td>"
        "</tr>\n",
        part.key, part.title, duration_text(part.seconds), share);
  }
  return html + "</tbody></table></div>\n";
}

std::string summary(const Goodput& time) {
  std::string text =
      fmt::format("<p>Goodput {}: {} of {} went into steps whose results were kept, in {}",
                  goodput_text(time), duration_text(time.useful), duration_text(time.wall()),
                  time.launches == 1 ? "1 launch" : fmt::format("{} launches", time.launches));
  if (time.restarts > 0) text += fmt::format(", {} after a failure", time.restarts);
  if (time.lost_steps > 0)
    text += fmt::format(", with {} repeated", plural(time.lost_steps, "step"));
  return text + ".</p>\n";
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {:02} h", whole / 86400, whole / 3600 % 24);
}

std::string goodput_text(const Goodput& time) {
  return fmt::format("{:.1f} %", std::floor(1000 * time.share()) / 10);  // never rounded up
}

std::string time_section(const std::vector<RunFiles>& runs) {
  std::string body;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const Goodput& time = runs[r].time;
    if (time.wall() <= 0) continue;
    body += heading(runs, r) + bar(time) + summary(time);
    body += runs.size() == 1 ? table(time) : details_element("Parts", table(time));
  }
  if (body.empty()) return "";
  return section("time", "Time",
                 body +
                     "<p class=\"note\">From the first start to the last line of time.jsonl, "
                     "without pauses. Down: from the last line of a launch that failed to the "
                     "start of the next process. Lost work: steps after the checkpoint that the "
                     "next launch resumed from.</p>\n");
}

}  // namespace valley::report
