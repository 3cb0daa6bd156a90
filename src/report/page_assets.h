// Embedded files of the page: page.html, page.css and the scripts.
#pragma once

#include <string_view>

namespace valley::report {

[[nodiscard]] std::string_view page_template();
[[nodiscard]] std::string_view page_style();
[[nodiscard]] std::string_view page_script();  // scale.js, plot.js, panels.js, grids.js, page.js

}  // namespace valley::report
