// The result of a command on standard output.
#pragma once

#include "core/json_text.h"
#include "core/text.h"

namespace valley::app {

// Prints json() with --json, else text(). Calls only one of them.
template <typename Json, typename Text>
void print_result(bool as_json, const Json& json, const Text& text) {
  if (as_json) {
    print_json_text(json());
  } else {
    print_to_stdout("{}", text());
  }
}

}  // namespace valley::app
