#include "storage/checkpoint_commit.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"

namespace valley {
namespace {

constexpr const char* kFormat = "valley-checkpoint";
constexpr int kVersion = 1;

}  // namespace

std::string format_commit(const CommitRecord& record) {
  nlohmann::json files = nlohmann::json::object();
  for (const auto& [name, file] : record.files)
    files[name] = {{"bytes", file.bytes}, {"sha256", file.sha256}};
  nlohmann::json commit = {
      {"format", kFormat}, {"version", kVersion}, {"step", record.step}, {"files", files}};
  commit["sha256"] = sha256_hex(as_bytes(write_json(commit)));
  return write_json(commit, 2) + "\n";
}

CommitRecord parse_commit(const std::string& text, const std::string& file) {
  try {
    const nlohmann::json commit = try_parse_json(text);
    if (commit.at("format") == kFormat && commit.at("version") != kVersion)
      throw Error(ExitCode::kData,
                  "{}: version {} of checkpoints is newer than this program; update valley", file,
                  write_json(commit.at("version")));
    CommitRecord record;
    record.step = commit.at("step").get<std::int64_t>();
    for (const auto& [name, entry] : commit.at("files").items())
      record.files[name] = {entry.at("bytes").get<std::uint64_t>(),
                            entry.at("sha256").get<std::string>()};
    // Compares all bytes, including its own checksum.
    if (format_commit(record) == text) return record;
  } catch (const nlohmann::json::exception&) {
    // Same error as for a COMMIT that parses but was altered.
  }
  throw Error(ExitCode::kData, "{}: damaged; use an earlier checkpoint", file);
}

}  // namespace valley
