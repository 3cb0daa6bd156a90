#include "inference/image_classifier.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json_text.h"
#include "methods/dbn/networks.h"
#include "methods/ebm/energy_model.h"

namespace valley {
namespace {

constexpr const char* kClassNames = "data.class_names";

class BeliefClassifier final : public ImageClassifier {
 public:
  BeliefClassifier(const DeepBeliefNetwork& dbn, at::Device device) : dbn_(dbn), device_(device) {}
  [[nodiscard]] at::Tensor scores(const at::Tensor& images) const override {
    return dbn_.class_scores(images);
  }
  [[nodiscard]] std::int64_t classes() const override { return dbn_.labels(); }
  [[nodiscard]] std::string method() const override {
    return dbn_.has_label_units() ? "free energy of label units, each label tried" : "output layer";
  }
  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const DeepBeliefNetwork& dbn_;
  at::Device device_;
};

// Exhaustive search: E(x, y) of each class.
class EnergyClassifier final : public ImageClassifier {
 public:
  EnergyClassifier(const EnergyNetwork& network, at::Device device)
      : network_(network), device_(device) {}
  [[nodiscard]] at::Tensor scores(const at::Tensor& images) const override {
    const at::NoGradGuard no_grad;
    return -network_.class_energies(images);
  }
  [[nodiscard]] std::int64_t classes() const override { return network_.labels(); }
  [[nodiscard]] std::string method() const override { return "energies E(x, y) of the classes"; }
  [[nodiscard]] at::Device device() const override { return device_; }

 private:
  const EnergyNetwork& network_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<ImageClassifier> make_image_classifier(const SavedModel& saved, at::Device device) {
  const auto* ebm = dynamic_cast<const EnergyModel*>(saved.model.get());
  if (ebm != nullptr && ebm->energy().labels() > 0)
    return std::make_unique<EnergyClassifier>(ebm->energy(), device);
  const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
  if (dbn == nullptr) {
    throw Error(ExitCode::kUsage,
                "{}: a model \"{}\" does not tell classes; use an EBM or a deep belief network "
                "(model.name = \"ebm\" or \"dbn\") that was trained with model.labels",
                saved.file.string(), saved.options.name);
  }
  if (dbn->labels() == 0) {
    throw Error(ExitCode::kUsage,
                "{}: this deep belief network was trained without classes; train one with "
                "model.labels set to the number of classes",
                saved.file.string());
  }
  return std::make_unique<BeliefClassifier>(*dbn, device);
}

std::vector<std::string> read_class_names(const SavedModel& saved, std::int64_t classes) {
  const auto found = saved.metadata.find(kClassNames);
  if (found == saved.metadata.end()) return {};
  const nlohmann::json parsed = try_parse_json(found->second);
  std::vector<std::string> names;
  bool is_list = parsed.is_array() && parsed.size() <= static_cast<std::size_t>(classes);
  for (std::size_t i = 0; is_list && i < parsed.size(); ++i) {
    is_list = parsed[i].is_string();
    if (is_list) names.push_back(parsed[i].get<std::string>());
  }
  if (is_list) return names;
  throw Error(
      ExitCode::kData,
      "{}: \"{}\" in its metadata is not a JSON array of at most {} names; copy the file from "
      "its run again",
      saved.file.string(), kClassNames, classes);
}

}  // namespace valley
