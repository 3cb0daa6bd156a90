#include "evaluate/class_map.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"

namespace valley {
namespace {

constexpr const char* kByNumber =
    "give the images the same list of class names in the same order, then they are matched by "
    "number, or make the names unique";

// The numbers of the classes with each name.
std::map<std::string, std::vector<std::int64_t>> numbers_by_name(const ClassNames& names) {
  std::map<std::string, std::vector<std::int64_t>> numbers;
  for (std::size_t i = 0; i < names.size(); ++i)
    numbers[names[i]].push_back(static_cast<std::int64_t>(i));
  return numbers;
}

std::vector<std::int64_t> identity(std::size_t classes) {
  std::vector<std::int64_t> numbers(classes);
  for (std::size_t i = 0; i < classes; ++i) numbers[i] = static_cast<std::int64_t>(i);
  return numbers;
}

}  // namespace

std::vector<std::int64_t> match_classes(const ClassNames& names, const ClassNames& model_names,
                                        const std::string& model) {
  if (names == model_names) return identity(names.size());
  const auto own = numbers_by_name(names);
  const auto of_model = numbers_by_name(model_names);
  std::vector<std::int64_t> classes;
  for (const std::string& name : names) {
    const auto found = of_model.find(name);
    if (found == of_model.end()) {
      throw Error(ExitCode::kData,
                  "the images have a class \"{}\", which {} has not learnt: its classes are {}; "
                  "leave those images out, or give them names of these",
                  name, model, fmt::join(model_names, ", "));
    }
    const bool is_of_model = found->second.size() > 1;
    const auto& several = is_of_model ? found->second : own.at(name);
    if (several.size() > 1) {
      throw Error(ExitCode::kData,
                  "\"{}\" is the name of the classes {} of {}, so that the classes of the images "
                  "cannot be matched with those of {} by name; {}",
                  name, fmt::join(several, " and "), is_of_model ? model : "the images", model,
                  kByNumber);
    }
    classes.push_back(found->second.front());
  }
  return classes;
}

JoinedClasses join_classes(const std::vector<ClassNames>& parts,
                           const std::vector<std::string>& sources) {
  JoinedClasses all;
  const bool are_equal =
      std::ranges::all_of(parts, [&](const ClassNames& p) { return p == parts.front(); });
  if (are_equal) {
    all.names = parts.front();
    all.numbers.assign(parts.size(), identity(all.names.size()));
    return all;
  }
  struct Known {
    std::vector<std::int64_t> numbers;
    std::size_t part;  // the first that has the name
  };
  std::map<std::string, Known> known;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    all.numbers.emplace_back(parts[p].size());
    for (const auto& [name, own] : numbers_by_name(parts[p])) {
      const auto found = known.find(name);
      if (found == known.end()) continue;
      const auto& earlier = found->second;
      const bool is_own = own.size() > 1;
      if (is_own || earlier.numbers.size() > 1) {
        throw Error(ExitCode::kData,
                    "\"{}\" is the name of several classes of {} and of a class of {}, so that "
                    "their classes cannot be joined by name; {}",
                    name, sources[is_own ? p : earlier.part], sources[is_own ? earlier.part : p],
                    kByNumber);
      }
    }
    std::map<std::string, Known> added;
    for (std::size_t i = 0; i < parts[p].size(); ++i) {
      const std::string& name = parts[p][i];
      const auto found = known.find(name);
      std::int64_t& number = all.numbers[p][i];
      if (found != known.end()) {
        number = found->second.numbers.front();
      } else {
        number = static_cast<std::int64_t>(all.names.size());
        all.names.push_back(name);
        Known& here = added[name];
        here.part = p;
        here.numbers.push_back(number);
      }
    }
    known.merge(added);
  }
  return all;
}

ClassNames distinct_names(const ClassNames& names) {
  const auto numbers = numbers_by_name(names);
  ClassNames all = names;
  std::set<std::string> taken(names.begin(), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (numbers.at(names[i]).size() == 1) continue;
    all[i] = fmt::format("{} ({})", names[i], i);
    while (!taken.insert(all[i]).second) all[i] += "'";
  }
  return all;
}

}  // namespace valley
