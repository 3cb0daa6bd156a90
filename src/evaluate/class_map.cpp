#include "evaluate/class_map.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"

namespace valley {
namespace {

constexpr const char* kAdvice =
    "give the images the same list of class names in the same order, so that they are matched by "
    "index, or make the names unique";

// The indices of the classes with each name.
std::map<std::string, std::vector<std::int64_t>> indices_by_name(const ClassNames& names) {
  std::map<std::string, std::vector<std::int64_t>> indices;
  for (std::size_t i = 0; i < names.size(); ++i)
    indices[names[i]].push_back(static_cast<std::int64_t>(i));
  return indices;
}

std::vector<std::int64_t> identity(std::size_t classes) {
  std::vector<std::int64_t> indices(classes);
  for (std::size_t i = 0; i < classes; ++i) indices[i] = static_cast<std::int64_t>(i);
  return indices;
}

}  // namespace

std::vector<std::int64_t> match_classes(const ClassNames& names, const ClassNames& model_names,
                                        const std::string& model) {
  if (names == model_names) return identity(names.size());
  const auto own = indices_by_name(names);
  const auto of_model = indices_by_name(model_names);
  std::vector<std::int64_t> classes;
  for (const std::string& name : names) {
    const auto found = of_model.find(name);
    if (found == of_model.end()) {
      throw Error(
          ExitCode::kData,
          "the images have a class \"{}\", which {} does not have: its classes are {}; leave "
          "those images out, or rename their class",
          name, model, fmt::join(model_names, ", "));
    }
    const bool is_of_model = found->second.size() > 1;
    const auto& several = is_of_model ? found->second : own.at(name);
    if (several.size() > 1) {
      throw Error(
          ExitCode::kData,
          "\"{}\" is the name of the classes {} of {}, so the classes of the images cannot be "
          "matched with those of {} by name; {}",
          name, fmt::join(several, " and "), is_of_model ? model : "the images", model, kAdvice);
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
    all.indices.assign(parts.size(), identity(all.names.size()));
    return all;
  }
  struct Known {
    std::vector<std::int64_t> indices;
    std::size_t part;  // the first with this name
  };
  std::map<std::string, Known> known;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    all.indices.emplace_back(parts[p].size());
    for (const auto& [name, own] : indices_by_name(parts[p])) {
      const auto found = known.find(name);
      if (found == known.end()) continue;
      const auto& earlier = found->second;
      const bool is_own = own.size() > 1;
      if (is_own || earlier.indices.size() > 1) {
        throw Error(ExitCode::kData,
                    "\"{}\" is the name of several classes of {} and of a class of {}, so their "
                    "classes cannot be joined by name; {}",
                    name, sources[is_own ? p : earlier.part], sources[is_own ? earlier.part : p],
                    kAdvice);
      }
    }
    std::map<std::string, Known> added;
    for (std::size_t i = 0; i < parts[p].size(); ++i) {
      const std::string& name = parts[p][i];
      const auto found = known.find(name);
      std::int64_t& index = all.indices[p][i];
      if (found != known.end()) {
        index = found->second.indices.front();
      } else {
        index = static_cast<std::int64_t>(all.names.size());
        all.names.push_back(name);
        Known& here = added[name];
        here.part = p;
        here.indices.push_back(index);
      }
    }
    known.merge(added);
  }
  return all;
}

ClassNames distinct_names(const ClassNames& names) {
  const auto indices = indices_by_name(names);
  ClassNames all = names;
  std::set<std::string> taken(names.begin(), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (indices.at(names[i]).size() == 1) continue;
    all[i] = fmt::format("{} ({})", names[i], i);
    while (!taken.insert(all[i]).second) all[i] += "'";
  }
  return all;
}

}  // namespace valley
