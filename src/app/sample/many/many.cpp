#include "app/sample/many/many.h"

#include <fmt/core.h>

#include <CLI/Config.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/options.h"
#include "app/print_result.h"
#include "app/progress.h"
#include "app/sample/labels.h"
#include "app/sample/many/block.h"
#include "app/sample/many/draw.h"
#include "app/sample/many/folder.h"
#include "app/sample/many/outputs.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "data/destination.h"
#include "inference/sample_source.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "methods/dbn/networks.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 32U;
constexpr std::uint64_t kMaxFirst = std::uint64_t{1} << 62U;
// Images per block. They set the bits of a sample on this kind of device: never change them.
constexpr std::uint64_t kBlockOnCpu = 32;
constexpr std::uint64_t kBlockOnGpu = 128;

enum class Kind { kPngs, kNpz, kShards };

struct Request {
  Kind kind = Kind::kPngs;
  fs::path destination;
  SeedBlocks blocks;
  ImageSize size;
  nlohmann::json description;  // model and settings, without the count
};

Kind kind_of(const ManyArguments& a) {
  const bool is_npz = fs::path(a.destination).extension() == ".npz";
  if (is_npz && a.shards)
    throw Error(ExitCode::kUsage, "--shards makes a folder, but --to {} names an npz file",
                a.destination);
  return a.shards ? Kind::kShards : is_npz ? Kind::kNpz : Kind::kPngs;
}

void check_arguments(const ManyArguments& a, const ManyModel& model) {
  if (a.destination.empty() || !a.count)
    throw Error(ExitCode::kUsage,
                "--to DEST and --count N belong together: the N samples of seeds --first, --first "
                "+ 1, ... (--seeds with -o is for samples in one PNG)");
  if (model.gibbs.filters || model.gibbs.layer)
    throw Error(ExitCode::kUsage,
                "--filters and --layer draw weights, not samples: leave them out");
  const std::optional<LabelChoice> choice = parse_label(model.gibbs.label);
  if (choice && choice->classes.size() != 1)
    throw Error(ExitCode::kUsage,
                "--label {} is for one PNG; with --to, name a class and draw one folder per class",
                model.gibbs.label);
}

std::unique_ptr<SampleSource> make_source(const ManyModel& model, const SavedModel& saved) {
  const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(saved.model.get());
  const std::optional<LabelChoice> choice = parse_label(model.gibbs.label);
  if (!choice && !model.gibbs.is_requested())
    return make_sample_source(saved, saved.device, model.steps);
  if (dbn == nullptr && !model.gibbs.is_requested()) {
    require_conditional(saved, model.gibbs.label);
    const auto classes = chosen_classes(*choice, saved.options.labels, saved.file.string());
    return make_generator_source(*saved.model, latent_draw(saved.options), saved.device,
                                 one_class(classes.front()));
  }
  require_gibbs_model(saved, dbn);
  return make_gibbs_class_source(model.gibbs, model.steps, saved, *dbn);
}

nlohmann::json describe_samples(const ManyModel& model, const SavedModel& saved,
                                const Request& request) {
  nlohmann::json description{{"model_sha256", sha256_of_file(saved.file)},
                             {"weights", saved.averaged ? "averaged" : "raw"},
                             {"first_seed", request.blocks.first},
                             {"device", saved.device.is_cuda() ? "cuda" : "cpu"},
                             {"height", request.size.height},
                             {"width", request.size.width},
                             {"channels", request.size.channels}};
  if (model.steps) description["steps"] = *model.steps;
  if (!model.gibbs.label.empty()) description["label"] = model.gibbs.label;
  if (model.gibbs.pixels != "mean") description["pixels"] = model.gibbs.pixels;
  return description;
}

Request make_request(const ManyArguments& a, const ManyModel& model, const SavedModel& saved) {
  const ModelOptions& o = saved.options;
  Request request{
      kind_of(a),
      fs::path(a.destination),
      {a.first.value_or(0), *a.count, saved.device.is_cuda() ? kBlockOnGpu : kBlockOnCpu},
      {o.resolution, o.resolution, o.channels},
      {}};
  if (!request.destination.has_filename()) request.destination = request.destination.parent_path();
  request.description = describe_samples(model, saved, request);
  return request;
}

// Raw blocks beside the destination, until it is complete.
fs::path parts_folder(const fs::path& destination) {
  return destination.parent_path() / fmt::format(".{}.parts", destination.filename().string());
}

std::string identity_of(const Request& request) {
  nlohmann::json identity = request.description;
  identity["kind"] = "samples";
  identity["count"] = request.blocks.count;
  return write_json(identity);
}

// Result of a command.
struct ManyResult {
  std::uint64_t kept = 0;  // samples of an earlier command
  double seconds = 0;
};

class ManyRun {
 public:
  ManyRun(World& world, const Team& team, const SampleSource& source, const Request& request)
      : world_(world), team_(team), source_(source), request_(request) {}

  // Collective. Returns the number of samples that were there.
  [[nodiscard]] std::uint64_t draw() {
    if (request_.kind == Kind::kPngs) return draw_pngs();
    if (on_rank_zero([&] { return is_complete(); })) {
      remove_parts();
      return request_.blocks.count;
    }
    return draw_parts();
  }

 private:
  // Collective: the result of `function` on rank 0.
  template <typename Function>
  [[nodiscard]] bool on_rank_zero(const Function& function) {
    return world_.broadcast(world_.rank() == 0 && function() ? "yes" : "no") == "yes";
  }

  [[nodiscard]] bool is_complete() const {
    if (request_.kind == Kind::kShards)
      return has_sample_shards(request_.destination, request_.blocks, request_.size, source_,
                               identity_of(request_));
    if (is_there(request_.destination, true))
      throw Error(ExitCode::kCannotWrite, "{} exists: remove it, or choose another file",
                  request_.destination.string());
    return false;
  }

  [[nodiscard]] std::uint64_t draw_into(const fs::path& folder, const BlockFiles& files) {
    std::unique_ptr<DestinationLock> lock;
    static_cast<void>(on_rank_zero([&] {
      lock = std::make_unique<DestinationLock>(folder);
      open_sample_folder(folder, request_.description, request_.blocks.count);
      return true;
    }));
    const std::uint64_t kept = draw_missing_blocks(world_, team_, source_, request_.blocks, files);
    if (request_.kind == Kind::kPngs) flush_file_system(folder.string());
    world_.host().barrier();
    return kept;
  }

  [[nodiscard]] std::uint64_t draw_pngs() {
    return draw_into(request_.destination, PngFiles(request_.destination, request_.blocks));
  }

  [[nodiscard]] std::uint64_t draw_parts() {
    const fs::path folder = parts_folder(request_.destination);
    const RawFiles files(folder, request_.blocks, request_.size.bytes());
    const std::uint64_t kept = draw_into(folder, files);
    if (request_.kind == Kind::kShards) {
      build_sample_shards(world_, request_.destination, files, request_.blocks, request_.size,
                          source_, identity_of(request_), team_.threads);
    } else if (world_.rank() == 0) {
      write_sample_npz(request_.destination, files, request_.blocks, request_.size, source_);
    }
    world_.host().barrier();
    remove_parts();
    return kept;
  }

  void remove_parts() const {
    std::error_code ignored;
    if (world_.rank() == 0) fs::remove_all(parts_folder(request_.destination), ignored);
  }

  World& world_;
  const Team& team_;
  const SampleSource& source_;
  const Request& request_;
};

void print(const Request& request, const SavedModel& saved, const ManyResult& result,
           bool as_json) {
  const std::uint64_t drawn = request.blocks.count - result.kept;
  const double rate = result.seconds > 0 ? static_cast<double>(drawn) / result.seconds : 0;
  print_result(
      as_json,
      [&] {
        return write_json(nlohmann::json({{"to", request.destination.string()},
                                          {"samples", request.blocks.count},
                                          {"kept", result.kept},
                                          {"first_seed", request.blocks.first},
                                          {"model", saved.file.string()},
                                          {"averaged", saved.averaged},
                                          {"seconds", result.seconds},
                                          {"samples_per_second", rate}}));
      },
      [&] {
        return fmt::format(
            "{}: {} samples of {} ({} weights), {} of them drawn now, {:.0f} per "
            "second\n",
            request.destination.string(), request.blocks.count, saved.file.string(),
            saved.averaged ? "averaged" : "raw", drawn, rate);
      });
}

}  // namespace

void add_many_options(CLI::App& command, ManyArguments& a) {
  command
      .add_option("--to", a.destination,
                  "Instead of -o, with --count: draw many samples, on all ranks, into a folder of "
                  "PNGs or a file of NumPy's arrays. Continues after a kill")
      ->excludes("--seeds")
      ->type_name("DIR|FILE.npz");
  command.add_option("--count", a.count, "Number of samples of --to")
      ->transform(number_range<std::uint64_t>(1, kMaxCount))
      ->type_name("N");
  command.add_option("--first", a.first, "Seed of the first sample of --to [0]")
      ->transform(number_range<std::uint64_t>(0, kMaxFirst))
      ->type_name("SEED");
  command.add_flag("--shards", a.shards, "Write a data set of shards to the folder of --to");
}

void sample_many(const ManyArguments& a, const ManyModel& model) {
  check_arguments(a, model);
  static_cast<void>(kind_of(a));
  const auto world = World::join(device_choice(model.device));
  set_arithmetic({Precision::kFp32, true, 1});
  const SavedModel saved = rank_zero_first(*world, [&] {
    return load_model(model.run, weights_to_load(model.raw), world->device().device());
  });
  const std::unique_ptr<SampleSource> source = make_source(model, saved);
  const Request request = make_request(a, model, saved);
  world->require_equal("valley sample --to", identity_of(request));

  WorkProgress progress("sample");
  const int threads = threads_for_rank(world->host().local_size());
  const Team team = make_team(*world, threads, progress);
  ManyResult result;
  result.kept = ManyRun(*world, team, *source, request).draw();
  result.seconds = progress.seconds();
  if (world->rank() == 0) print(request, saved, result, model.json);
  world->host().barrier();
}

}  // namespace valley::app
