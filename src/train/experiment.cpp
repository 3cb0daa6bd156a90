#include "train/experiment.h"

#include <array>
#include <charconv>

#include "core/error.h"
#include "record/image_grid.h"

namespace valley {
namespace {

constexpr std::int64_t kDefaultSteps = 200'000;
constexpr std::int64_t kDefaultMicrobatches = 8;
// Bounds that no training reaches, within which no product of them overflows: 10^12 steps of 2^20
// images are 10^18 images.
constexpr std::int64_t kMostSteps = 1'000'000'000'000;
constexpr std::int64_t kMostEpochs = 1'000'000'000;
constexpr std::int64_t kMostKimg = kMostSteps / 1000;
constexpr std::int64_t kMostBatch = std::int64_t{1} << 20;
constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostKept = 1'000'000;
constexpr const char* kPaper = "BEGAN, arXiv 1703.10717";

void add_data(Schema& s, DataOptions& o) {
  s.key("data.path", &o.path).help("Folder of shards that `valley shard build` made.");
  s.key("data.order", &o.order)
      .one_of({"global", "window"})
      .help(
          "How an epoch is shuffled: over all images, or within moving windows (for disks and "
          "networks).")
      .source("ours");
  s.key("data.verify", &o.verify)
      .one_of({"off", "first-epoch", "always"})
      .help("When each image's CRC32C is compared.")
      .source("ours");
  s.key("data.mirror", &o.mirror)
      .help("Flip a random half of the images left to right.")
      .source("ours");
}

void add_model(Schema& s, ModelOptions& o) {
  s.key("model.name", &o.name).one_of(model_names()).help("The networks.");
  s.key("model.resolution", &o.resolution)
      .min(16)
      .max(512)
      .help("Height and width of the images, pixels.");
  s.key("model.channels", &o.channels).min(1).max(3).help("1 gray, 3 RGB.");
  s.key("model.width", &o.width)
      .min(1)
      .max(kMostUnits)
      .help("Filters of the first level, the paper's n.")
      .source(kPaper);
  s.key("model.latent", &o.latent)
      .min(1)
      .max(kMostUnits)
      .help("Numbers a sample is generated from.")
      .source(kPaper);
  s.key("model.hidden", &o.hidden)
      .min(1)
      .max(kMostUnits)
      .help("Numbers of an image's code in the autoencoder, N_h.")
      .source(kPaper);
  s.key("model.skip_connections", &o.skip_connections)
      .help("Concatenate the decoder's first tensor after each upsampling.")
      .source(std::string(kPaper) + ", section 3.4");
  s.key("model.downsample", &o.downsample)
      .one_of({"strided", "extra"})
      .help("The second conv of a level has stride 2, or a third, strided conv follows.")
      .source("common implementations have \"extra\"");
}

void add_objective(Schema& s, ObjectiveOptions& o) {
  s.key("objective.name", &o.name).one_of(objective_names()).help("The loss and its controller.");
  s.key("objective.gamma", &o.gamma)
      .above(0)
      .max(1)
      .help("Diversity ratio E[L(G(z))] / E[L(x)].")
      .source(kPaper);
  s.key("objective.lambda_k", &o.lambda_k).min(0).help("Gain of k.").source(kPaper);
}

void add_train(Schema& s, TrainOptions& o) {
  s.key("train.steps", &o.steps)
      .min(1)
      .max(kMostSteps)
      .help("Length in steps; auto: 200000, or what epochs or kimg say.");
  s.key("train.epochs", &o.epochs)
      .min(1)
      .max(kMostEpochs)
      .help("Length in passes over the data, instead of steps.");
  s.key("train.kimg", &o.kimg)
      .min(1)
      .max(kMostKimg)
      .help("Length in thousands of images, instead of steps.");
  s.key("train.global_batch", &o.global_batch)
      .min(1)
      .max(kMostBatch)
      .help("Images a step, all ranks together.")
      .source(kPaper);
  s.key("train.microbatch", &o.microbatch)
      .min(1)
      .max(kMostBatch)
      .help(
          "Images a pass; auto: a rank's whole share if it fits, with reproducible an eighth of "
          "the global batch.")
      .source("ours");
  s.key("train.schedule", &o.schedule)
      .one_of({"alternating"})
      .help("D and G are updated one after the other, each with latents of its own.")
      .source(kPaper);
  s.key("train.precision", &o.precision)
      .one_of({"fp32", "tf32"})
      .help("Arithmetic of matrix products on GPUs.");
  s.key("train.reproducible", &o.reproducible)
      .help("The same bits for any power-of-two number of ranks up to the number of microbatches.")
      .source("ours");
  s.key("train.seed", &o.seed).min(0).help("Of weights, order, latents and flips.");
  s.key("train.report_every", &o.report_every)
      .min(1)
      .help("Steps between lines of stats.jsonl; the first and the last step have one too.");
  s.key("train.threads", &o.threads)
      .min(1)
      .max(kMostThreads)
      .help("Threads of each rank's CPU work; auto: its share of the cores, with reproducible 1.");
  s.key("train.device", &o.device)
      .one_of({"auto", "cpu", "cuda"})
      .help("auto: a GPU a rank where there are any.");
  s.key("train.ema_half_life", &o.ema_half_life)
      .min(0)
      .help(
          "Half-life of the moving average of G that samples are drawn from, in images; 0: no "
          "averaging.")
      .source("ours");
}

void add_optimizer(Schema& s, OptimizerOptions& o) {
  s.key("optimizer.name", &o.name)
      .one_of({"adam", "adamax", "sgd"})
      .help("Adam and Adamax: Kingma & Ba 2015. sgd: gradient descent, with momentum if set.")
      .source(kPaper);
  s.key("optimizer.lr", &o.lr).above(0).help("Learning rate of D and of G.").source(kPaper);
  s.key("optimizer.generator_lr_scale", &o.generator_lr_scale)
      .above(0)
      .help("G's learning rate is this times optimizer.lr, at every step.")
      .source("ours");
  s.key("optimizer.beta1", &o.beta1)
      .min(0)
      .max(0.999999)
      .help("Decay of the first moment of adam and adamax.")
      .source("common code");
  s.key("optimizer.beta2", &o.beta2)
      .min(0)
      .max(0.999999)
      .help("Decay of the second moment of adam and adamax.")
      .source("common code");
  s.key("optimizer.epsilon", &o.epsilon)
      .min(1e-30)
      .help("Added to what adam and adamax divide by.")
      .source("Adam");
  s.key("optimizer.bias_correction", &o.bias_correction)
      .help("Of adam and adamax: moments are corrected for having started at zero.")
      .source("Adam");
  s.key("optimizer.momentum", &o.momentum)
      .min(0)
      .max(0.999999)
      .help("Of sgd: how much of the last update is kept.")
      .source("ours");
  s.key("optimizer.lr_schedule", &o.lr_schedule)
      .one_of({"constant", "halve-on-stall", "step"})
      .help(
          "halve-on-stall: the rate halves when the mean of M stops falling. step: it falls every "
          "optimizer.step_every steps.")
      .source(kPaper);
  s.key("optimizer.stall_window", &o.stall_window)
      .min(1)
      .help("Steps that M is averaged over.")
      .source("ours");
  s.key("optimizer.stall_windows", &o.stall_windows)
      .min(1)
      .help("Windows without progress before halving.")
      .source("ours");
  s.key("optimizer.stall_improvement", &o.stall_improvement)
      .min(0)
      .max(1)
      .help("Relative fall of M that counts as progress.")
      .source("ours");
  s.key("optimizer.lr_floor", &o.lr_floor)
      .above(0)
      .max(1)
      .help("Least rate of halve-on-stall, as a share of optimizer.lr.")
      .source("ours");
  s.key("optimizer.step_every", &o.step_every)
      .min(1)
      .max(kMostSteps)
      .help("Of the schedule step: steps at one rate.")
      .source("ours");
  s.key("optimizer.step_factor", &o.step_factor)
      .above(0)
      .max(1)
      .help("Of the schedule step: what the rate is multiplied with.")
      .source("ours");
}

void add_output(Schema& s, CheckpointOptions& checkpoint, SamplesOptions& samples) {
  s.key("checkpoint.every", &checkpoint.every)
      .min(1)
      .help("Steps between checkpoints; a last one is always written.");
  s.key("checkpoint.keep", &checkpoint.keep)
      .min(0)
      .max(kMostKept)
      .help("Newest checkpoints kept; 0: all.");
  s.key("samples.every", &samples.every).min(1).help("Steps between grids of samples.");
  s.key("samples.grid", &samples.grid).help("Columns x rows of a grid.");
}

}  // namespace

Grid parse_grid(const std::string& text, const std::string& what, ExitCode code, int most) {
  Grid grid;
  const char* end = text.data() + text.size();
  const auto [x, first] = std::from_chars(text.data(), end, grid.columns);
  const bool split = first == std::errc() && x != end && *x == 'x';
  const auto [rest, second] = std::from_chars(split ? x + 1 : end, end, grid.rows);
  if (!split || second != std::errc() || rest != end || grid.columns < 1 || grid.rows < 1 ||
      grid.columns > most || grid.rows > most) {
    throw Error(code, "{} is \"{}\"; it is columns x rows, each from 1 to {}, such as 8x8", what,
                text, most);
  }
  return grid;
}

Schema Experiment::schema() {
  Schema s;
  add_data(s, data);
  add_model(s, model);
  add_objective(s, objective);
  add_train(s, train);
  add_optimizer(s, optimizer);
  add_output(s, checkpoint, samples);
  return s;
}

void Experiment::resolve(const Schema& schema) {
  if (data.path.empty()) {
    throw Error(
        ExitCode::kConfig,
        "data.path is not set: name a folder of shards, in the file or as data.path=FOLDER");
  }
  const int lengths =
      int{train.steps.has_value()} + int{train.epochs.has_value()} + int{train.kimg.has_value()};
  if (lengths > 1) {
    throw Error(ExitCode::kConfig,
                "only one of train.steps ({}), train.epochs ({}) and train.kimg ({}) can be set",
                schema.place("train.steps"), schema.place("train.epochs"),
                schema.place("train.kimg"));
  }
  const Grid grid = parse_grid(samples.grid, "samples.grid");
  if (!grid_fits(grid.columns * grid.rows, model.resolution, model.resolution, model.channels,
                 grid.columns)) {
    throw Error(ExitCode::kConfig,
                "samples.grid = {} of {}x{} pixels is too large a picture; take fewer columns or "
                "rows",
                samples.grid, model.resolution, model.resolution);
  }
  // What no networks can have is said before it is compared with the data.
  static_cast<void>(outline_model(model));
  if (optimizer.momentum != 0 && optimizer.name != "sgd") {
    throw Error(ExitCode::kConfig,
                "optimizer.momentum ({}) is sgd's; with optimizer.name = \"{}\" it is "
                "optimizer.beta1 that averages gradients",
                schema.place("optimizer.momentum"), optimizer.name);
  }
  objective.latent = model.latent;
  if (train.reproducible) {
    if (!train.microbatch)
      train.microbatch = std::max<std::int64_t>(1, train.global_batch / kDefaultMicrobatches);
    if (!train.threads) train.threads = 1;
  }
}

std::int64_t Experiment::total_steps(std::uint64_t images) const {
  const auto steps_for = [&](std::int64_t wanted) {
    return (wanted + train.global_batch - 1) / train.global_batch;
  };
  if (train.steps) return *train.steps;
  if (train.epochs) {
    const std::uint64_t most = static_cast<std::uint64_t>(kMostSteps) / images;
    if (static_cast<std::uint64_t>(*train.epochs) > most) {
      throw Error(ExitCode::kConfig,
                  "train.epochs = {} of {} images are more than the {} images that a training can "
                  "have; train.epochs = {} works",
                  *train.epochs, images, kMostSteps, std::max<std::uint64_t>(1, most));
    }
    return steps_for(*train.epochs * static_cast<std::int64_t>(images));
  }
  if (train.kimg) return steps_for(*train.kimg * 1000);
  return kDefaultSteps;
}

bool may_change_on_resume(const std::string& key) {
  static constexpr std::array kFree = {
      "data.path",  "data.verify",        "train.steps",  "train.epochs",
      "train.kimg", "train.report_every", "train.device",
  };
  if (key.starts_with("checkpoint.") || key.starts_with("samples.")) return true;
  for (const char* free : kFree) {
    if (key == free) return true;
  }
  return false;
}

std::vector<std::string> resume_conflicts(const std::map<std::string, std::string>& saved,
                                          const std::map<std::string, std::string>& now) {
  std::vector<std::string> conflicts;
  for (const auto& [key, value] : now) {
    if (may_change_on_resume(key)) continue;
    const auto found = saved.find(key);
    const std::string before = found == saved.end() ? "(absent)" : found->second;
    if (before != value) conflicts.push_back(fmt::format("{}: {} -> {}", key, before, value));
  }
  return conflicts;
}

}  // namespace valley
