// The methods that objective.name and model.name can name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "methods/method.h"
#include "methods/options.h"

namespace valley {

// All methods, in the order in which the config's keys are documented.
[[nodiscard]] const std::vector<std::unique_ptr<Method>>& methods();
[[nodiscard]] std::vector<std::string> method_names();  // sorted
// The method with this name, or null.
[[nodiscard]] const Method* find_method(std::string_view name);
// Error kConfig naming `key` and the known methods.
[[nodiscard]] const Method& require_method(std::string_view name, const std::string& key);

// Networks of the method that model.name names, see Method::make_model.
[[nodiscard]] std::unique_ptr<Model> make_model(const ModelOptions& options);
// The same with shapes only (meta tensors): names, shapes and layer tables.
[[nodiscard]] std::unique_ptr<Model> make_meta_model(const ModelOptions& options);

// The objective of the method that objective.name names, see Method::make_objective.
using ObjectiveFactory = std::unique_ptr<Objective> (*)(const ObjectiveOptions& options,
                                                        const Model& model,
                                                        const ObjectiveSetting& setting);
[[nodiscard]] std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options,
                                                        const Model& model,
                                                        const ObjectiveSetting& setting);

}  // namespace valley
