#include "methods/registry.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "methods/began/method.h"
#include "methods/dbn/method.h"
#include "methods/ebgan/method.h"
#include "methods/ebm/method.h"
#include "methods/magan/method.h"

namespace valley {
namespace {

std::vector<std::unique_ptr<Method>> make_methods() {
  std::vector<std::unique_ptr<Method>> all;
  all.push_back(make_began_method());
  all.push_back(make_ebgan_method());
  all.push_back(make_magan_method());
  all.push_back(make_dbn_method());
  all.push_back(make_ebm_method());
  return all;
}

}  // namespace

const std::vector<std::unique_ptr<Method>>& methods() {
  static const std::vector<std::unique_ptr<Method>> all = make_methods();
  return all;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& method : methods()) names.emplace_back(method->name());
  std::ranges::sort(names);
  return names;
}

const Method* find_method(std::string_view name) {
  const auto found = std::ranges::find(methods(), name, [](const auto& m) { return m->name(); });
  return found == methods().end() ? nullptr : found->get();
}

const Method& require_method(std::string_view name, const std::string& key) {
  if (const Method* method = find_method(name)) return *method;
  throw Error(ExitCode::kConfig, "{} is \"{}\"; known methods: {}", key, name,
              fmt::join(method_names(), ", "));
}

std::unique_ptr<Model> make_model(const ModelOptions& options) {
  return require_method(options.name, "model.name").make_model(options, at::kCPU);
}

std::unique_ptr<Model> make_meta_model(const ModelOptions& options) {
  return require_method(options.name, "model.name").make_model(options, at::kMeta);
}

ObjectiveOptions::ObjectiveOptions(std::string objective) : name(std::move(objective)) {
  for (const auto& method : methods()) entries_.push_back({method.get(), method->make_options()});
}

ObjectiveOptions::ObjectiveOptions(const Method& only)
    : name(only.name()), entries_{{&only, only.make_options()}} {}

const Method& ObjectiveOptions::method() const {
  for (const Entry& entry : entries_)
    if (entry.method->name() == name) return *entry.method;
  return require_method(name, "objective.name");
}

void ObjectiveOptions::add_keys(Schema& schema) {
  schema.key("objective.name", &name).one_of(method_names()).help("Training method.");
  for (Entry& entry : entries_) entry.method->add_keys(entry.options, schema);
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options, const Model& model,
                                          const ObjectiveSetting& setting) {
  return options.method().make_objective(options, model, setting);
}

}  // namespace valley
