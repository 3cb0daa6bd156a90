#include "sources/renamed_classes.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "core/json_text.h"
#include "core/read_file.h"

namespace valley {
namespace {

// Texts between separators, without the carriage returns of Windows.
std::vector<std::string> names_between(std::string_view text, char separator) {
  std::vector<std::string> names;
  while (true) {
    const auto at = text.find(separator);
    std::string_view name = text.substr(0, at);
    if (name.ends_with('\r')) name.remove_suffix(1);
    names.emplace_back(name);
    if (at == std::string_view::npos) return names;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string> names_in_file(const std::string& file) {
  std::string text = read_file(file, {.takes_pipes = true});
  if (text.find_first_not_of(" \t\r\n") != std::string::npos &&
      text[text.find_first_not_of(" \t\r\n")] == '[') {
    const nlohmann::json list = parse_json(text, file);
    if (!std::ranges::all_of(list, [](const auto& name) { return name.is_string(); }))
      throw Error(ExitCode::kData, "{}: it is not a JSON list of texts", file);
    return list.get<std::vector<std::string>>();
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return names_between(text, '\n');
}

std::size_t count_classes(const ImageSource& source) {
  if (const std::size_t named = source.class_names().size(); named > 0) return named;
  std::int64_t largest = -1;
  for (std::uint64_t i = 0; i < source.size(); ++i) largest = std::max(largest, source.label(i));
  return static_cast<std::size_t>(largest + 1);
}

}  // namespace

std::vector<std::string> read_label_names(const std::string& text) {
  const bool is_list = !is_there(text) && text.find(',') != std::string::npos;
  if (!is_list && !is_there(text))
    throw Error(ExitCode::kUsage,
                "--label-names {}: there is no such file, and it has no comma; write a file of "
                "names, one per line, or a list such as cat,dog,eel",
                text);
  std::vector<std::string> names = is_list ? names_between(text, ',') : names_in_file(text);
  std::set<std::string_view> known;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty())
      throw Error(ExitCode::kData, "--label-names {}: the name of class {} is empty", text, i);
    if (!known.insert(names[i]).second)
      throw Error(ExitCode::kData, "--label-names {}: two classes have the name \"{}\"", text,
                  names[i]);
  }
  return names;
}

RenamedClasses::RenamedClasses(std::unique_ptr<ImageSource> source, std::vector<std::string> names)
    : WrappedSource(std::move(source)), names_(std::move(names)) {
  const std::size_t classes = count_classes(this->source());
  if (classes != names_.size())
    throw Error(ExitCode::kUsage,
                "--label-names has {} names, but the images have {} classes{}; write one name per "
                "class, in the order of their numbers",
                names_.size(), classes,
                this->source().class_names().empty() && classes > 0
                    ? fmt::format(" (the largest label is {})", classes - 1)
                    : "");
}

std::string RenamedClasses::identity_json() const {
  auto identity =
      parse_json<nlohmann::ordered_json>(source().identity_json(), "the source's identity");
  identity["label_names"] = names_;
  return write_json(identity);
}

std::unique_ptr<ImageSource> with_label_names(std::unique_ptr<ImageSource> source,
                                              const std::optional<std::string>& text) {
  if (!text) return source;
  return std::make_unique<RenamedClasses>(std::move(source), read_label_names(*text));
}

}  // namespace valley
