// manifest.json of a data set.
#include "data/manifest.h"

#include <string>

#include "core/error.h"
#include "fuzz_input.h"

namespace valley::fuzz {

// A valid manifest, written and read again, is the same text.
void run(std::string_view input) {
  const std::string text = to_json(parse_manifest(std::string(input), "manifest.json"));
  VALLEY_CHECK(to_json(parse_manifest(text, "manifest.json")) == text);
}

}  // namespace valley::fuzz
