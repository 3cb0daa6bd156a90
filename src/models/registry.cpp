// Every model that model.name can name: to add one, add its line here.
#include <fmt/ranges.h>

#include "core/config.h"
#include "core/error.h"
#include "models/began.h"
#include "models/dbn.h"
#include "models/ebgan.h"
#include "models/ebm.h"
#include "models/magan.h"
#include "models/model.h"

namespace valley {
namespace {

using Factory = std::unique_ptr<Model> (*)(const ModelOptions&, at::Device);

const std::map<std::string, Factory>& factories() {
  static const std::map<std::string, Factory> all = {
      {"began", make_began}, {"dbn", make_dbn},     {"ebgan", make_ebgan},
      {"ebm", make_ebm},     {"magan", make_magan},
  };
  return all;
}

std::unique_ptr<Model> make_on(const ModelOptions& options, at::Device device) {
  const auto found = factories().find(options.name);
  if (found == factories().end()) {
    throw Error(ExitCode::kConfig, "model.name is \"{}\"; known models: {}", options.name,
                fmt::join(model_names(), ", "));
  }
  return found->second(options, device);
}

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories()) names.push_back(name);
  return names;
}

std::unique_ptr<Model> make_model(const ModelOptions& options) {
  return make_on(options, at::kCPU);
}

std::unique_ptr<Model> outline_model(const ModelOptions& options) {
  return make_on(options, at::kMeta);
}

}  // namespace valley
