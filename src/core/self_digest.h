// Digests that a text file carries in itself, to find damage that leaves it valid: a flipped bit
// can make another number or name of a JSON or TOML file.
//
// Files of earlier versions have no digest and are accepted.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace valley {

inline constexpr const char* kDigestKey = "sha256";

// SHA-256 of `object` without its key "sha256", with sorted keys and without white space.
[[nodiscard]] std::string json_digest(const nlohmann::json& object);
// False if `object` has the key "sha256" with another value than json_digest.
[[nodiscard]] bool fits_json_digest(const nlohmann::json& object);

// `toml` after a first line "# sha256 of the lines below: ...". The first, so that a file that is
// cut off anywhere does not match.
[[nodiscard]] std::string with_digest_line(const std::string& toml);
// False if the first line is the beginning of such a line, or the digest of other lines; also for
// an empty text.
[[nodiscard]] bool fits_digest_line(std::string_view toml);
// Error kConfig naming `file` if not.
void require_digest_line(std::string_view toml, const std::string& file);

}  // namespace valley
