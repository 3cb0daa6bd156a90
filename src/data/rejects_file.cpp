#include "data/rejects_file.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "data/json_fields.h"
#include "data/manifest.h"

namespace valley {

using nlohmann::json;

void write_rejects(const std::filesystem::path& directory,
                   const std::vector<RejectedImage>& rejects) {
  std::string text;
  for (const RejectedImage& reject : rejects) {
    const nlohmann::ordered_json line = {{"position", reject.position},
                                         {"name", reject.name},
                                         {"reason", reject.reason},
                                         {"detail", reject.detail}};
    text += write_json(line) + "\n";
  }
  write_file(directory / kRejectsFile, text);
}

std::vector<RejectedImage> read_rejects(const std::filesystem::path& directory, std::uint64_t end) {
  const std::filesystem::path path = directory / kRejectsFile;
  std::istringstream text(read_file(path));
  std::vector<RejectedImage> rejects;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    const std::string place = fmt::format("{}:{}", path.string(), number);
    const json parsed = parse_json(line, place);
    const JsonFields fields(parsed, place, "");
    const std::uint64_t position = fields.count("position");
    if (position >= end) continue;
    rejects.push_back(
        {position, fields.text("name"), fields.text("reason"), fields.text("detail")});
  }
  return rejects;
}

std::map<std::string, std::uint64_t> count_by_reason(const std::vector<RejectedImage>& rejects) {
  std::map<std::string, std::uint64_t> counts;
  for (const RejectedImage& reject : rejects) ++counts[reject.reason];
  return counts;
}

}  // namespace valley
