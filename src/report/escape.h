// Escapes text from files for an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace valley::report {

// For the text of an element or a quoted attribute: & < > " ' as entities; control characters other
// than tab and newline, which HTML cannot hold, as U+FFFD.
[[nodiscard]] std::string escape_html(std::string_view text);

// JSON for a <script type="application/json">: escapes each "<", which could end the element or
// begin a comment. It parses to the same value.
[[nodiscard]] std::string escape_script(std::string_view json);

// RFC 4648, section 4, with padding.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace valley::report
