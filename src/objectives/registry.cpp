#include "objectives/registry.h"

#include <fmt/ranges.h>

#include <map>

#include "core/error.h"
#include "objectives/began.h"
#include "objectives/dbn.h"
#include "objectives/ebgan.h"
#include "objectives/ebm.h"
#include "objectives/magan.h"

namespace valley {
namespace {

const std::map<std::string, ObjectiveFactory>& factories() {
  static const std::map<std::string, ObjectiveFactory> all = {
      {"began", make_began_objective}, {"dbn", make_dbn_objective},
      {"ebgan", make_ebgan_objective}, {"ebm", make_ebm_objective},
      {"magan", make_magan_objective},
  };
  return all;
}

}  // namespace

std::vector<std::string> objective_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories()) names.push_back(name);
  return names;
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options, const Model& model,
                                          const ObjectiveSetting& setting) {
  const auto found = factories().find(options.name);
  if (found == factories().end()) {
    throw Error(ExitCode::kConfig, "objective.name is \"{}\"; known objectives: {}", options.name,
                fmt::join(objective_names(), ", "));
  }
  return found->second(options, model, setting);
}

}  // namespace valley
