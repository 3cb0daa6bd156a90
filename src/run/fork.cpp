#include "run/fork.h"

#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"
#include "storage/checkpoint.h"
#include "storage/run_directory.h"

namespace valley {
namespace {

constexpr const char* kLineage = "lineage";
constexpr std::size_t kMaxListed = 8;

// "00007-began-64/step-00012000", or the name of a single file.
std::string short_name(const std::filesystem::path& model_file) {
  const std::filesystem::path checkpoint = std::filesystem::absolute(model_file).parent_path();
  if (!checkpoint_step(checkpoint)) return model_file.filename().string();
  return checkpoint.parent_path().parent_path().filename() / checkpoint.filename();
}

// The lineage of the source with the source as the last entry.
std::string lineage_after(const std::map<std::string, std::string>& metadata,
                          const ForkRequest& request, const std::filesystem::path& model_file) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  if (const auto before = metadata.find(kLineage); before != metadata.end()) {
    const auto parsed = try_parse_json<nlohmann::ordered_json>(before->second);
    if (parsed.is_array()) list = parsed;
  }
  list.push_back({{"from", short_name(model_file)},
                  {"sha256", sha256_of_file(model_file)},
                  {"with_state", request.with_state}});
  return write_json(list);
}

void require_model(const TensorFile& file, const std::filesystem::path& path) {
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != "valley-model")
    throw Error(ExitCode::kData,
                "--from {}: its metadata does not say that it is a model that Valley wrote; name a "
                "run, a checkpoint or its model.safetensors",
                path.string());
}

}  // namespace

std::filesystem::path find_fork_model(const ForkRequest& request) {
  const ModelLocation found = locate_model(request.from);
  if (request.with_state && !found.checkpoint)
    throw Error(ExitCode::kUsage,
                "--from-state: {} is a single file without the training state; name its run or "
                "checkpoint, or leave --from-state out",
                request.from);
  return std::filesystem::absolute(found.model_file);
}

Trainer::Adopted start_from(World& world, const ForkRequest& request,
                            const std::filesystem::path& model_file, const Schema& schema,
                            Trainer& trainer) {
  const std::string where = model_file.string();
  Checkpoint source;
  std::string lineage;
  static_cast<void>(rank_zero_first(world, [&] {
    if (request.with_state) {
      source = read_checkpoint(model_file.parent_path());
    } else {
      source.model = read_safetensors(model_file);
    }
    require_model(source.model, model_file);
    return true;
  }));
  if (world.rank() == 0) lineage = lineage_after(source.model.metadata, request, model_file);
  trainer.set_lineage(world.broadcast(lineage));
  Trainer::Adopted adopted =
      trainer.adopt(source.model.tensors, request.networks, request.with_state, where);
  if (request.with_state) trainer.adopt_state(source, schema, where);
  return adopted;
}

void log_adopted(const Trainer::Adopted& adopted, const std::filesystem::path& model_file) {
  log::info("starts from {} of {}", plural(adopted.tensors, "tensor"), model_file.string());
  if (!adopted.initialized.empty())
    log::info("{} initialized anew, absent there or of another shape: {}",
              plural(static_cast<std::int64_t>(adopted.initialized.size()), "tensor"),
              join_up_to(kMaxListed, adopted.initialized));
  if (!adopted.unused.empty())
    log::info("{} of the source unused: {}",
              plural(static_cast<std::int64_t>(adopted.unused.size()), "tensor"),
              join_up_to(kMaxListed, adopted.unused));
}

}  // namespace valley
