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

std::size_t index_of(std::string_view name, const std::string& key) {
  const auto found = std::ranges::find(methods(), name, [](const auto& m) { return m->name(); });
  if (found == methods().end()) {
    throw Error(ExitCode::kConfig, "{} is \"{}\"; known methods: {}", key, name,
                fmt::join(method_names(), ", "));
  }
  return static_cast<std::size_t>(found - methods().begin());
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
  return *methods()[index_of(name, key)];
}

std::unique_ptr<Model> make_model(const ModelOptions& options) {
  return require_method(options.name, "model.name").make_model(options, at::kCPU);
}

std::unique_ptr<Model> make_meta_model(const ModelOptions& options) {
  return require_method(options.name, "model.name").make_model(options, at::kMeta);
}

ObjectiveOptions::ObjectiveOptions(std::string objective) : name(std::move(objective)) {
  for (const auto& method : methods()) options_.push_back(method->make_options());
}

void ObjectiveOptions::add_keys(Schema& schema) {
  schema.key("objective.name", &name).one_of(method_names()).help("Training method.");
  for (std::size_t i = 0; i < options_.size(); ++i) methods()[i]->add_keys(options_[i], schema);
}

const Method& method_of(const ObjectiveOptions& options) {
  return require_method(options.name, "objective.name");
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options, const Model& model,
                                          const ObjectiveSetting& setting) {
  return method_of(options).make_objective(options.held(), model, setting);
}

bool couples_samples(const ObjectiveOptions& options) {
  return method_of(options).couples_samples(options.held());
}

std::int64_t needed_labels(const ObjectiveOptions& options, const ModelOptions& model) {
  return method_of(options).needed_labels(options.held(), model);
}

StateBytes state_bytes(const ObjectiveOptions& options, const ModelOptions& model,
                       std::int64_t global_batch) {
  return method_of(options).state_bytes(options.held(), model, global_batch);
}

std::optional<PhaseWork> phase_work(const ObjectiveOptions& options, const Model& model,
                                    const Phase& phase) {
  return method_of(options).phase_work(options.held(), model, phase);
}

std::vector<std::string> plan_lines(const ObjectiveOptions& options) {
  return method_of(options).plan_lines(options.held());
}

std::optional<std::string> objective_warning(const ObjectiveOptions& options,
                                             const OptimizerFacts& optimizer) {
  return method_of(options).warning(options.held(), optimizer);
}

const std::any& ObjectiveOptions::held() const {
  return options_[index_of(name, "objective.name")];
}
std::any& ObjectiveOptions::held() { return options_[index_of(name, "objective.name")]; }

void require_recordable(const ObjectiveOptions& options, const std::string& setting) {
  if (method_of(options).can_record_graphs()) return;
  throw Error(ExitCode::kConfig,
              "{} is on, but the host controls the steps of objective.name = \"{}\", which a CUDA "
              "graph cannot record; set it to \"off\"",
              setting, options.name);
}

void settle(ObjectiveOptions& options, const Schema& schema) {
  method_of(options).settle_options(options.held(), schema);
}

}  // namespace valley
