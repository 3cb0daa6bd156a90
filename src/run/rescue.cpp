#include "run/rescue.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/self_digest.h"
#include "storage/checkpoint.h"
#include "storage/safetensors.h"
#include "train/trainer.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kRescueFile = "rescues.json";
constexpr double kMinScale = 0.01;  // a learning rate below that would no longer train

Rescue rescue_from(const Json& entry) {
  return {{entry.at("lost").get<std::int64_t>(), entry.at("kind").get<std::string>(),
           entry.at("reason").get<std::string>()},
          entry.at("step").get<std::int64_t>(),
          entry.at("lr_scale").get<double>(),
          entry.at("number").get<std::size_t>()};
}

// The newest good checkpoint that is marked healthy, at most of step `last`.
std::optional<fs::path> healthy_checkpoint(const fs::path& folder, std::int64_t last,
                                           const std::vector<Rescue>& rescues) {
  return newest_good_checkpoint(folder, [&](const fs::path& path) {
    return checkpoint_step(path).value_or(last + 1) <= last && is_marked_healthy(path) &&
           !is_undone(path, rescues);
  });
}

}  // namespace

std::string to_json(const std::vector<Rescue>& rescues) {
  Json list = Json::array();
  for (const Rescue& r : rescues)
    list.push_back({{"lost", r.loss.step},
                    {"kind", r.loss.kind},
                    {"reason", r.loss.reason},
                    {"step", r.step},
                    {"lr_scale", r.lr_scale},
                    {"number", r.number}});
  return write_json(list, 2);
}

std::vector<Rescue> parse_rescues(const std::string& text, const std::string& file) {
  const Json list = parse_json<Json>(text, file);
  std::vector<Rescue> rescues;
  try {
    for (const Json& entry : list) {
      if (!fits_json_digest(nlohmann::json(entry)))
        throw Error(ExitCode::kData,
                    "{}: entry {} is damaged or edited: it does not match its \"{}\"; restore the "
                    "file from a copy, or start a new run from a checkpoint of this one",
                    file, rescues.size() + 1, kDigestKey);
      rescues.push_back(rescue_from(entry));
    }
  } catch (const nlohmann::json::exception&) {
    throw Error(ExitCode::kData,
                "{}: entry {} is not a rescue with lost, kind, reason, step, lr_scale and number; "
                "restore the file from a copy, or start a new run from a checkpoint of this one",
                file, rescues.size() + 1);
  }
  return rescues;
}

std::string describe(const Rescue& rescue, std::size_t number, std::int64_t max) {
  return fmt::format(
      "rescue {} of at most {}: training continues from step {} with {:.4g} times "
      "the learning rate",
      number, max, rescue.step, rescue.lr_scale);
}

std::string list_rescues(const std::vector<Rescue>& rescues) {
  std::string text;
  for (const Rescue& r : rescues)
    text += fmt::format("{}from step {} to {}", text.empty() ? "" : ", ", r.loss.step, r.step);
  return text;
}

std::vector<Rescue> read_rescues(const fs::path& run) {
  const fs::path file = run / kRescueFile;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {};
  return parse_rescues(read_file(file), file.string());
}

void write_rescues(const fs::path& run, const std::vector<Rescue>& rescues) {
  Json list = parse_json<Json>(to_json(rescues), kRescueFile);
  for (Json& entry : list) entry[kDigestKey] = json_digest(nlohmann::json(entry));
  write_file(run / kRescueFile, write_json(list, 2) + "\n");
}

bool is_undone(const fs::path& checkpoint, const std::vector<Rescue>& rescues) {
  if (rescues.empty() || checkpoint_step(checkpoint).value_or(0) <= rescues.back().step)
    return false;
  try {
    return rescues_before(outline_safetensors(checkpoint / "state.safetensors").metadata) <
           rescues.back().number;
  } catch (const Error&) {  // damaged: reported by those who read it
    return false;
  }
}

std::optional<RescuePlan> plan_rescue(const TrainOptions& options, const fs::path& folder,
                                      const TrainingLoss& loss, const std::vector<Rescue>& rescues,
                                      std::size_t before) {
  if (static_cast<std::int64_t>(rescues.size()) >= options.max_rescues) return std::nullopt;
  RescuePlan plan;
  plan.rescue.loss = loss;
  plan.rescue.number = before + 1;
  plan.checkpoint = healthy_checkpoint(folder, loss.step - 1, rescues);
  const std::int64_t step = plan.checkpoint ? checkpoint_step(*plan.checkpoint).value_or(0) : 0;
  if (plan.checkpoint && !rescues.empty() && rescues.back().step == step)
    if (auto earlier = healthy_checkpoint(folder, step - 1, rescues)) plan.checkpoint = earlier;
  if (plan.checkpoint) plan.rescue.step = checkpoint_step(*plan.checkpoint).value_or(0);
  const double scale = rescues.empty() ? 1 : rescues.back().lr_scale;
  plan.rescue.lr_scale = std::max(std::min(scale, kMinScale), scale * options.rescue_lr_factor);
  return plan;
}

}  // namespace valley
