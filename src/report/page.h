// `valley report`: one HTML file that shows runs, with images and scripts inside. Its content
// security policy forbids all network access.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

// The page of one run, or of several side by side. `made_by`: line for the end of the page. Images
// that have been deleted meanwhile are empty.
[[nodiscard]] std::string make_page(const std::vector<RunFiles>& runs, const std::string& made_by);

// `text` with each {{name}} replaced by its value. Values are not searched for names. A name
// without a value is a bug.
[[nodiscard]] std::string fill(std::string_view text, const Fields& values);

}  // namespace valley::report
