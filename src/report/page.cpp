#include "report/page.h"

#include <fmt/core.h>

#include <cstddef>

#include "core/error.h"
#include "core/hash.h"
#include "core/read_file.h"
#include "core/text.h"
#include "report/escape.h"
#include "report/page_assets.h"
#include "report/page_data.h"
#include "report/page_text.h"
#include "report/run_groups.h"

namespace valley::report {
namespace {

std::string image_element(const RunFiles& run, const GridImage& image, const std::string& id) {
  std::string bytes;
  try {
    bytes = read_file(run.path / image.file);
  } catch (const Error&) {
    // The script shows an empty frame.
  }
  return fmt::format("<script type=\"text/plain\" id=\"{}\">{}</script>\n", id, base64(bytes));
}

std::string image_elements(const std::vector<RunFiles>& runs) {
  std::string html;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const GridImages& grids = runs[r].grids;
    if (grids.reals) html += image_element(runs[r], *grids.reals, grid_id(r, -1));
    for (std::size_t i = 0; i < grids.fakes.size(); ++i)
      html += image_element(runs[r], grids.fakes[i], grid_id(r, static_cast<int>(i)));
  }
  return html;
}

// Source of the content security policy that allows only this script, by its hash.
std::string script_source() {
  const std::string hex = sha256_hex(as_bytes(page_script()));
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "sha256-" + base64(bytes);
}

std::string title_of(const std::vector<RunFiles>& runs, std::size_t entries) {
  constexpr std::size_t kMaxNamed = 3;
  const auto counted = [](std::size_t n, const char* what) {
    return plural(static_cast<std::int64_t>(n), what);
  };
  if (entries < runs.size())
    return counted(runs.size(), "run") + " in " + counted(entries, "group");
  if (runs.size() > kMaxNamed) return counted(runs.size(), "run");
  std::string title;
  for (const RunFiles& run : runs) title += (title.empty() ? "" : " and ") + run.name;
  return title;
}

std::string grids_note(const std::vector<RunFiles>& runs) {
  std::string note;
  for (const RunFiles& run : runs) {
    const std::size_t shown = run.grids.fakes.size();
    if (shown < run.grids.found)
      note += fmt::format(" {}: {} of {} grids are shown, at even distances.", run.name, shown,
                          run.grids.found);
  }
  return escape_html(note);
}

}  // namespace

std::string make_page(const std::vector<RunFiles>& runs, const std::string& made_by) {
  VALLEY_CHECK(!runs.empty());
  std::vector<RunFiles> members = runs;
  const std::vector<RunFiles> entries = group_runs(members);
  return fill(page_template(), {{"title", escape_html(title_of(runs, entries.size()))},
                                {"script_source", script_source()},
                                {"style", std::string(page_style())},
                                {"script", std::string(page_script())},
                                {"cards", groups_table(entries) + run_cards(entries)},
                                {"warnings", warnings_section(members)},
                                {"grids_note", grids_note(entries)},
                                {"time", time_section(members)},
                                {"settings", settings_section(entries)},
                                {"launches", launches_section(members)},
                                {"made_by", escape_html(made_by)},
                                {"data", escape_script(page_data(entries))},
                                {"grids", image_elements(entries)}});
}

std::string fill(std::string_view text, const Fields& values) {
  std::string out;
  while (true) {
    const std::size_t open = text.find("{{");
    out += text.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = text.find("}}", open);
    VALLEY_CHECK(close != std::string_view::npos);
    const std::string name(text.substr(open + 2, close - open - 2));
    bool is_known = false;
    for (const auto& [known, value] : values) {
      if (known != name) continue;
      out += value;
      is_known = true;
    }
    VALLEY_CHECK(is_known);
    text.remove_prefix(close + 2);
  }
}

}  // namespace valley::report
