#include "core/self_digest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"

namespace valley {
namespace {

constexpr std::string_view kLineStart = "# sha256 of the lines below: ";

std::string digest_line(std::string_view below) {
  return std::string(kLineStart) + sha256_hex(as_bytes(below)) + "\n";
}

}  // namespace

std::string json_digest(const nlohmann::json& object) {
  nlohmann::json rest = object;
  rest.erase(kDigestKey);
  return sha256_hex(as_bytes(write_json(rest)));
}

bool fits_json_digest(const nlohmann::json& object) {
  const auto found = object.find(kDigestKey);
  return found == object.end() || *found == json_digest(object);
}

std::string with_digest_line(const std::string& toml) { return digest_line(toml) + toml; }

bool fits_digest_line(std::string_view toml) {
  if (kLineStart.starts_with(toml)) return false;  // cut off
  if (!toml.starts_with(kLineStart)) return true;
  const std::size_t end = std::min(toml.find('\n'), toml.size() - 1) + 1;
  return toml.substr(0, end) == digest_line(toml.substr(end));
}

void require_digest_line(std::string_view toml, const std::string& file) {
  if (!fits_digest_line(toml))
    throw Error(
        ExitCode::kConfig,
        "{}: damaged or edited: its first line is cut off or has the SHA-256 of other lines; "
        "restore it, or check its values and delete that line",
        file);
}

}  // namespace valley
