#include "report/panels.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "methods/metric_names.h"
#include "methods/registry.h"

namespace valley::report {
namespace {

constexpr const char* kValidationSection = "Validation";
constexpr const char* kQuality = "Quality of samples";
constexpr const char* kOptimizer = "Losses and optimizer";
constexpr const char* kSpeed = "Speed";
constexpr const char* kOther = "Other";

// Metrics that are redundant with those shown.
constexpr std::string_view kHidden[] = {"epoch:S_D",        "epoch:S_G",    "epoch:S_G_previous",
                                        "evaluate:samples", "epoch:steps",  "epoch:margin_next",
                                        "epoch:epoch",      "epoch:margin", "epoch"};

bool has_panel(const std::vector<Panel>& panels, const std::string& title) {
  return std::ranges::find(panels, title, &Panel::title) != panels.end();
}

std::vector<Panel> panels_of_energy() {
  std::vector<Panel> panels = {
      {kEnergySection,
       "Real against generated samples",
       "Mean over the global batch. Where quantiles are recorded, the bands hold the middle 50 and "
       "90 percent of the samples.",
       "",
       {{metric::kRealEnergy, "real", "real"},
        {metric::kFakeEnergy, "generated", "fake"},
        {metric::kMargin, "margin", "margin"}}},
      {kEnergySection,
       "Gap",
       "Energy of generated samples minus that of real ones.",
       "",
       {{metric::kEnergyGap, "gap", ""}}},
      {kControlSection,
       "Generated over real",
       "Energy of generated samples divided by that of real ones. It has no unit, so that runs "
       "with different energies can be compared. At 1 the discriminator cannot separate them.",
       "",
       {{"derived:energy_ratio", "generated / real", ""}}},
      {kControlSection,
       "M",
       "Convergence measure: lower is better.",
       "",
       {{metric::kConvergence, "M", ""}}},
  };
  for (Panel& panel : panels) {
    const std::string& key = panel.traces.front().key;
    panel.is_energy = panel.follows_energy =
        key == metric::kRealEnergy || key == metric::kConvergence || key == metric::kEnergyGap;
    panel.marks_cuts = key == metric::kRealEnergy;
    panel.reference = 1;
    panel.has_reference = key == "derived:energy_ratio";
  }
  // The convergence measure comes after the control panels that methods add.
  Panel convergence = std::move(panels.back());
  panels.pop_back();
  for (const auto& method : methods())
    for (Panel& panel : method->panels())
      if (!has_panel(panels, panel.title)) panels.push_back(std::move(panel));
  panels.push_back(std::move(convergence));
  return panels;
}

// Panel of one measure of data.validation.
struct ValidationPanel {
  std::string_view name;
  const char* title;
  const char* note;
};
constexpr ValidationPanel kValidation[] = {
    {metric::kFreeEnergy, "Free energy",
     "Of the layer in training, in nats. A rise for validation images relative to training images "
     "is overfitting."},
    {metric::kImageEnergy, "Energy of images",
     "A rise for validation images relative to training images is overfitting."},
    {metric::kPseudoLikelihood, "Pseudo-likelihood",
     "Logarithm, of the layer in training, estimated from one unit per image. Higher is better."},
    {metric::kReconstructionError, "Reconstruction error",
     "Mean square per unit after one step up and down. It decreases while a layer learns, but is a "
     "weak measure of how well it models the data."},
    {metric::kCrossEntropy, "Classification cross-entropy", "Mean of -log P(class), nats."},
    {metric::kClassError, "Classification error", "Share of misclassified images."},
};

std::vector<Panel> panels_of_validation() {
  std::vector<Panel> panels;
  for (const ValidationPanel& v : kValidation) {
    const std::string key = fmt::format("validation:{}", v.name);
    panels.push_back({kValidationSection,
                      v.title,
                      v.note,
                      "",
                      {{key + "/train", "training images", "real"},
                       {key + "/validation", "validation images", "fake"}}});
  }
  return panels;
}

std::vector<Panel> panels_of_samples_and_speed() {
  return {
      {kQuality,
       "Variety of samples",
       "Mean distance of all pairs in a grid. If generated is far below real, the generator draws "
       "the same image for every seed.",
       "",
       {{"samples:distance/real", "real", "real"}, {"samples:distance/fake", "generated", "fake"}}},
      {kSpeed,
       "Images per second",
       "All ranks together.",
       "images/s",
       {{metric::kImagesPerSecond, "images/s", ""}}},
      {kSpeed,
       "Waiting",
       "Time per step that rank 0 waits for data and in reductions.",
       "ms",
       {{metric::kDataWait, "data", ""}, {metric::kExposedComm, "communication", ""}}},
      {kSpeed,
       "Time of the ranks",
       "Computing per step: the median of the ranks and the slowest one.",
       "ms",
       {{metric::kRankCompute, "median", ""}, {metric::kMaxRankCompute, "slowest rank", ""}}},
      {kSpeed,
       "Model FLOP/s utilization",
       "Work of the steps relative to the peak of all ranks.",
       "",
       {{metric::kUtilization, "MFU", ""}}},
      {kSpeed, "Peak memory", "Of rank 0.", "MiB", {{metric::kPeakMemory, "memory", ""}}},
  };
}

// Panel of all metrics with a name prefix.
struct Family {
  std::string_view prefix;
  const char* section;
  const char* title;
  const char* note;
  bool is_energy;
  bool follows_energy;
};
constexpr Family kFamilies[] = {
    {"loss/", kOptimizer, "Losses", "", true, true},
    {metric::kGradientNormOf, kOptimizer, "Gradient norms",
     "Euclidean norm of the reduced gradient.", false, true},
    {"pulling_away", kOptimizer, "Pulling-away term",
     "Similarity of the codes of generated samples.", false, false},
    {metric::kLearningRateOf, kOptimizer, "Learning rates", "", false, false},
};

// Titles of the metrics of `valley evaluate`; the title of other metrics is their name.
struct MetricTitle {
  std::string_view name;
  const char* title;
  const char* note;
};
constexpr MetricTitle kMetrics[] = {
    {"swd", "Sliced Wasserstein distance (swd)",
     "Lower is better. The floor is the value of other real images instead of samples."},
    {"ms_ssim", "Similarity of pairs (ms_ssim)",
     "Best near its floor; above it the samples vary less than the data."},
    {"fid", "FID", "Lower is better."},
    {"density", "Density", "Higher is better, up to the floor of about 1."},
    {"coverage", "Coverage", "Share of the data that has samples near it."},
    {"distance", "Distance of pairs", "Best near its floor; below it the samples vary less."},
    {"mean", "Means of channels", ""},
    {"deviation", "Deviations of channels", ""},
};

bool is_quantile(const std::string& key, const std::set<std::string>& keys) {
  const std::size_t slash = key.rfind("/q");
  if (slash == std::string::npos || key.size() != slash + 4) return false;
  return std::ranges::all_of(key.substr(slash + 2), [](char c) { return c >= '0' && c <= '9'; }) &&
         keys.contains(key.substr(0, slash));
}

std::string role_of(std::string_view key) {
  for (const std::string_view role : {"real", "fake", "floor", "D", "G"}) {
    const bool ends_so =
        key.ends_with(role) && key.size() > role.size() && key[key.size() - role.size() - 1] == '/';
    if (ends_so) return std::string(role);
  }
  return "";
}

void add_to_group(std::vector<Panel>& panels, std::map<std::string, std::size_t>& groups,
                  const std::string& key) {
  const std::size_t colon = key.find(':');
  const std::string event = colon == std::string::npos ? "" : key.substr(0, colon);
  const std::string shown = colon == std::string::npos ? key : key.substr(colon + 1);
  const std::string group = shown.substr(0, shown.find('/'));
  const bool is_quality = event == "evaluate" || event == "samples";
  const auto [place, is_new] = groups.try_emplace(event + ":" + group, panels.size());
  if (is_new) {
    Panel panel;
    panel.section = is_quality ? kQuality : kOther;
    panel.title = event.empty() || is_quality ? group : event + ": " + group;
    for (const MetricTitle& metric : kMetrics) {
      if (event != "evaluate" || metric.name != group) continue;
      panel.title = metric.title;
      panel.note = metric.note;
    }
    panels.push_back(std::move(panel));
  }
  panels[place->second].traces.push_back({key, shown, role_of(shown)});
}

std::string label_of(const std::string& key, const Family& family) {
  return family.prefix.ends_with('/') ? key.substr(family.prefix.size()) : key;
}

int section_rank(const std::string& section) {
  int place = 0;
  for (const char* name : {kEnergySection, kControlSection, kValidationSection, kOptimizer,
                           kQuality, kSpeed, kOther}) {
    if (section == name) break;
    ++place;
  }
  return place;
}

}  // namespace

std::vector<Panel> panels_for(const std::set<std::string>& keys) {
  std::set<std::string> rest;
  for (const std::string& key : keys)
    if (!is_quantile(key, keys) && std::ranges::find(kHidden, key) == std::end(kHidden))
      rest.insert(key);
  std::vector<Panel> panels;
  std::vector<Panel> known = panels_of_energy();
  std::ranges::move(panels_of_validation(), std::back_inserter(known));
  std::ranges::move(panels_of_samples_and_speed(), std::back_inserter(known));
  for (Panel& panel : known) {
    std::erase_if(panel.traces, [&](const Trace& t) { return !keys.contains(t.key); });
    for (const Trace& trace : panel.traces) rest.erase(trace.key);
    // No energy panel for the margin alone.
    if (!panel.traces.empty() && (panel.traces.front().role != "margin")) panels.push_back(panel);
  }
  for (const Family& family : kFamilies) {
    Panel panel;
    panel.section = family.section;
    panel.title = family.title;
    panel.note = family.note;
    panel.is_energy = family.is_energy;
    panel.follows_energy = family.follows_energy;
    for (const std::string& key : keys)
      if (key.starts_with(family.prefix) && rest.erase(key) > 0)
        panel.traces.push_back({key, label_of(key, family), role_of(key)});
    if (!panel.traces.empty()) panels.push_back(std::move(panel));
  }
  std::map<std::string, std::size_t> groups;
  for (const std::string& key : rest) add_to_group(panels, groups, key);
  std::ranges::stable_sort(panels, {}, [](const Panel& p) { return section_rank(p.section); });
  return panels;
}

}  // namespace valley::report
