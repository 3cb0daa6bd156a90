// `valley report`: one HTML file that shows runs, with its pictures and script inside. It asks
// nothing of any network, and its own policy forbids it to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

// The page of one run or of several side by side. `made_by`: a line for its end. Pictures that are
// gone by now are left out.
[[nodiscard]] std::string make_page(const std::vector<RunFiles>& runs, const std::string& made_by);

// `text` with each {{name}} replaced by its value, once: what a value holds is not looked at again.
// A name without a value is a bug.
[[nodiscard]] std::string fill(std::string_view text, const Fields& values);

}  // namespace valley::report
