// Text from files, made safe to stand in a page.
#pragma once

#include <string>
#include <string_view>

namespace valley::report {

// For the text of an element or a quoted attribute: & < > " ' as entities; control characters other
// than tab and newline, which HTML cannot hold, as U+FFFD.
[[nodiscard]] std::string escape_html(std::string_view text);

// JSON for a <script type="application/json">: no "<" stays that could end the element or begin a
// comment. It reads back the same.
[[nodiscard]] std::string escape_script(std::string_view json);

// RFC 4648, section 4, with padding.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace valley::report
