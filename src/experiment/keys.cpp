// Every config key: its variable, limits and description.
#include <limits>

#include "core/error.h"
#include "data/loader.h"
#include "data/order.h"
#include "experiment/experiment.h"
#include "methods/limits.h"

namespace valley {
namespace {

constexpr std::int64_t kMaxKimg = kMaxSteps / 1000;
constexpr std::int64_t kMaxBatch = std::int64_t{1} << 20;
constexpr std::int64_t kMaxThreads = 1024;
constexpr std::int64_t kMaxKept = 1'000'000;
constexpr std::int64_t kMaxEvaluated = 1'000'000;
constexpr const char* kPaper = "BEGAN, arXiv 1703.10717";

void add_data(Schema& s, DataOptions& o) {
  s.key("data.path", &o.path)
      .or_weighted_list()
      .help(
          "Folder of shards, made by `valley shard build`; or a mixture of several, "
          "`[[\"a\", 0.7], [\"b\", 0.3]]`, with the share of each in every batch.");
  s.key("data.validation", &o.validation)
      .help(
          "Folder of shards with held-out images, on which validation metrics are computed; empty: "
          "none.");
  s.choice("data.order", &o.order, order_names())
      .help(
          "Shuffling of an epoch: over all images, or within moving windows (for hard disks and "
          "network file systems).")
      .source("ours");
  s.choice("data.verify", &o.verify, verify_names())
      .help("When each image's CRC32C is compared.")
      .source("ours");
  s.key("data.decode_threads", &o.decode_threads)
      .min(1)
      .max(kMaxThreads)
      .help(
          "Threads per rank that decode images of shards with storage jpeg:Q or keep; auto: the "
          "rank's share of the cores, at most 16.")
      .source("ours");
  s.choice("data.cache", &o.cache, data_cache_names())
      .help(
          "Copy of the whole data set in memory, made at the start: host: one per host, shared by "
          "its ranks; gpu: one per GPU; none; auto: as performance.device_cache says.")
      .source("ours");
  s.key("data.mirror", &o.mirror)
      .help("Random horizontal flips of half of the images.")
      .source("ours");
}

constexpr const char* kGuide = "Hinton, A Practical Guide to Training RBMs, 2010";

void add_model(Schema& s, ModelOptions& o) {
  s.key("model.name", &o.name)
      .one_of(method_names())
      .help("Networks: those of the method with this name.");
  s.key("model.resolution", &o.resolution)
      .min(16)
      .max(512)
      .help("Height and width of the images, pixels.");
  s.key("model.channels", &o.channels)
      .min(1)
      .max(3)
      .help("Channels of the images: 1 (gray) or 3 (RGB).");
  s.key("model.width", &o.width)
      .min(1)
      .max(kMaxUnits)
      .help("Filters of the first level: the paper's n.")
      .source(kPaper);
  s.key("model.latent", &o.latent)
      .min(1)
      .max(kMaxUnits)
      .help("Latent dimension: elements of z.")
      .source(kPaper);
  s.key("model.hidden", &o.hidden)
      .min(1)
      .max(kMaxUnits)
      .help("Bottleneck dimension of the autoencoder: the paper's N_h.")
      .source(kPaper);
  s.key("model.skip_connections", &o.skip_connections)
      .help("Concatenate the decoder's first tensor after each upsampling.")
      .source(std::string(kPaper) + ", section 3.4");
  s.key("model.downsample", &o.downsample)
      .one_of({"strided", "extra"})
      .help(
          "strided: the second convolution of a level has stride 2; extra: a third, strided one "
          "follows.")
      .source("common implementations have \"extra\"");
  s.key("model.latent_distribution", &o.latent_distribution)
      .one_of({"uniform", "normal"})
      .help("Distribution of z: U(-1, 1) or N(0, 1) per element.")
      .source(kPaper);
  s.key("model.output", &o.output)
      .one_of({"linear", "tanh", "sigmoid"})
      .help("Last activation of networks that make images; with sigmoid, images are in [0, 1].")
      .source(kPaper);
  s.key("model.batch_norm", &o.batch_norm)
      .help("Batch normalization where the paper has it, over a micro-batch.");
  s.key("model.spectral_norm", &o.spectral_norm)
      .help("Spectral normalization of the weights of the energy network.");
  s.key("model.vanishing_residuals", &o.vanishing_residuals)
      .min(0)
      .help(
          "Steps in which the weight of residual connections falls from 1 to 0; 0: no residual "
          "connections.")
      .source(std::string(kPaper) + ", section 3.4 (16000 there)");
}

void add_rbms(Schema& s, ModelOptions& o) {
  s.key("model.layers", &o.layers)
      .min(1)
      .max(kMaxUnits)
      .help("Hidden units of each RBM of a deep belief network, from the pixels up.")
      .source("Hinton, Osindero & Teh 2006");
  s.key("model.visible_units", &o.visible_units)
      .one_of({"bernoulli", "gaussian"})
      .help(
          "Visible units of the first RBM: Bernoulli with pixels as probabilities, or Gaussian "
          "with standardized pixels and unit variance.")
      .source(kGuide);
  s.key("model.labels", &o.labels)
      .min(0)
      .max(kMaxUnits)
      .help(
          "Number of classes that the generator and the discriminator are conditioned on, or that "
          "an EBM or a deep belief network tells apart; 0: no labels.");
  s.key("model.label_units", &o.label_units)
      .help(
          "Classes are label units of the top RBM; otherwise a softmax output layer predicts them.")
      .source("Hinton, Osindero & Teh 2006");
  s.key("model.initial_weights", &o.initial_weights)
      .one_of({"small", "xavier"})
      .help(
          "Initial weights of RBMs: N(0, 0.01), or Xavier-uniform for back-propagation without "
          "pretraining.")
      .source(kGuide);
}

void add_train(Schema& s, TrainOptions& o) {
  s.key("train.steps", &o.steps)
      .min(1)
      .max(kMaxSteps)
      .help("Length in steps; auto: from train.epochs or train.kimg, else 200000.");
  s.key("train.epochs", &o.epochs)
      .min(1)
      .max(kMaxEpochs)
      .help("Length in epochs, instead of steps.");
  s.key("train.kimg", &o.kimg)
      .min(1)
      .max(kMaxKimg)
      .help("Length in thousands of images, instead of steps.");
  s.key("train.global_batch", &o.global_batch)
      .min(1)
      .max(kMaxBatch)
      .help("Images per step, over all ranks.")
      .source(kPaper);
  s.key("train.microbatch", &o.microbatch)
      .min(1)
      .max(kMaxBatch)
      .help(
          "Micro-batch size, images; auto: a rank's whole share if it fits into memory; with "
          "train.reproducible, or where samples of a micro-batch are coupled, an eighth of the "
          "global batch.")
      .source("ours");
  s.choice("train.schedule", &o.schedule, {"alternating", "shared"})
      .help(
          "alternating: D and G are updated in turn, each with latents of its own; shared: both "
          "from one pass over the same generated images.")
      .source(kPaper);
  s.choice("train.precision", &o.precision, precision_names())
      .help(
          "fp32; tf32: matrix products and convolutions on GPUs; bf16: activations and the copy of "
          "the weights that passes read (weights, gradients and losses stay fp32). auto: tf32 on "
          "GPUs (RBMs: fp32), fp32 on CPUs.");
}

void add_execution(Schema& s, TrainOptions& o) {
  s.key("train.reproducible", &o.reproducible)
      .help(
          "Bitwise equal results for any power-of-two number of ranks up to the number of "
          "micro-batches.")
      .source("ours");
  s.key("train.seed", &o.seed)
      .min(0)
      .help("Seed of initial weights, data order, latents and flips.");
  s.key("train.report_every", &o.report_every)
      .min(1)
      .help("Steps between lines of stats.jsonl; the first and the last step always have one.");
  s.key("train.threads", &o.threads)
      .min(1)
      .max(kMaxThreads)
      .help(
          "CPU threads per rank; auto: the rank's share of the cores, 1 with train.reproducible.");
  s.key("train.device", &o.device)
      .one_of({"auto", "cpu", "cuda"})
      .help("auto: one GPU per rank if there are any, else the CPU.");
  s.key("train.ema_half_life", &o.ema_half_life)
      .min(0)
      .help(
          "Half-life of the moving average of the weights that samples are drawn from, images; 0: "
          "no average.")
      .source("ours");
  s.key("train.ema_ramp_up", &o.ema_ramp_up)
      .min(0)
      .max(1)
      .help(
          "Upper bound of the half-life as a share of the images seen so far, so that the initial "
          "weights are soon forgotten; 0: no bound.")
      .source("Karras et al. 2020 (StyleGAN2's code)");
  s.key("train.freeze", &o.freeze)
      .help(
          "Tensors that keep their values: networks, levels or single tensors, such as "
          "[\"discriminator.encoder.0-2\", \"generator.linear\"].")
      .source("ours");
}

void add_watchdog(Schema& s, TrainOptions& o) {
  s.key("train.hang_timeout", &o.hang_timeout)
      .min(0)
      .max(604800)
      .help(
          "Seconds without progress on any rank after which the job is judged to hang and ends "
          "with "
          "exit code 76 and a record of all ranks; 0: no watchdog. Reading, writing and evaluating "
          "are progress.")
      .source("ours");
  s.key("train.audit_every", &o.audit_every)
      .min(0)
      .max(1000000000)
      .help(
          "Steps between audits, which find silent errors of memory and processors: ranks compare "
          "their weights and moments, and each computes a micro-batch of another rank again. A "
          "difference ends the job with exit code 72. The first step of a launch is audited too; "
          "0: no audits. See docs/audit.md.")
      .source("ours");
  s.key("train.trace", &o.trace)
      .help(
          "First and last step of which a trace for Perfetto is written, such as \"100-110\"; "
          "empty: none.")
      .source("ours");
}

void add_rescue(Schema& s, TrainOptions& o) {
  constexpr std::int64_t kMaxRescues = 1000;
  s.choice("train.on_divergence", &o.on_divergence, {"stop", "rescue"})
      .help(
          "stop: a step that is not finite ends the run; rescue: it returns to its last healthy "
          "checkpoint and continues with a lower learning rate, also after a divergence or "
          "collapse.")
      .source("ours");
  s.key("train.rescue_lr_factor", &o.rescue_lr_factor)
      .above(0)
      .max(1)
      .help("Factor of the learning rate per rescue; all together at least 0.01.")
      .source("ours");
  s.key("train.max_rescues", &o.max_rescues)
      .min(1)
      .max(kMaxRescues)
      .help("Rescues of a run; a further divergence ends it.")
      .source("ours");
}

void add_optimizer(Schema& s, OptimizerOptions& o) {
  s.choice("optimizer.name", &o.name, optimizer_names())
      .help("adam, adamax (Kingma & Ba 2015), or sgd: gradient descent with optimizer.momentum.")
      .source(kPaper);
  s.key("optimizer.lr", &o.lr).above(0).help("Learning rate of all networks.");
  s.key("optimizer.generator_lr_scale", &o.generator_lr_scale)
      .above(0)
      .help("Factor of G's learning rate.")
      .source("ours");
  s.key("optimizer.beta1", &o.beta1)
      .min(0)
      .max(0.999999)
      .help("Decay rate of the first moment of adam and adamax.")
      .source("common code");
  s.key("optimizer.beta2", &o.beta2)
      .min(0)
      .max(0.999999)
      .help("Decay rate of the second moment of adam and adamax.")
      .source("common code");
  s.key("optimizer.epsilon", &o.epsilon)
      .min(1e-30)
      .help("Added to the denominator of adam and adamax.")
      .source("Adam");
  s.key("optimizer.bias_correction", &o.bias_correction)
      .help("Bias correction of the moments of adam and adamax.")
      .source("Adam");
  s.key("optimizer.momentum", &o.momentum)
      .min(0)
      .max(0.999999)
      .help("Momentum of sgd.")
      .source("ours");
  s.key("optimizer.weight_decay", &o.weight_decay)
      .min(0)
      .max(1)
      .help(
          "Decoupled weight decay: each update first multiplies weights (not biases or "
          "normalization) by 1 - learning rate * weight_decay. With adam: AdamW.")
      .source("AdamW, arXiv 1711.05101");
  s.key("optimizer.clip_norm", &o.clip_norm)
      .min(0)
      .help(
          "Largest norm of each network's gradient, after the reduction over ranks; larger ones "
          "are "
          "scaled down to it; 0: none.")
      .source("Pascanu et al., arXiv 1211.5063");
}

void add_lr_schedule(Schema& s, OptimizerOptions& o) {
  s.key("optimizer.warmup_steps", &o.warmup_steps)
      .min(0)
      .max(kMaxSteps)
      .help(
          "Steps in which the learning rate rises linearly: step s = 0, 1, ... has (s + 1) / "
          "warmup_steps of it.")
      .source("ours");
  s.choice("optimizer.lr_schedule", &o.lr_schedule,
           {"constant", "halve-on-stall", "step", "linear", "cosine"})
      .help(
          "Learning-rate schedule. halve-on-stall: halved when the mean of the convergence measure "
          "M stops falling; step: multiplied by optimizer.step_factor every optimizer.step_every "
          "steps; linear, cosine: decay to optimizer.final_lr until step optimizer.decay_steps.")
      .source(kPaper);
  s.key("optimizer.stall_window", &o.stall_window)
      .min(1)
      .help("halve-on-stall: steps over which M is averaged.")
      .source("ours");
  s.key("optimizer.stall_windows", &o.stall_windows)
      .min(1)
      .help("halve-on-stall: windows without progress before the learning rate is halved.")
      .source("ours");
  s.key("optimizer.stall_improvement", &o.stall_improvement)
      .min(0)
      .max(1)
      .help("halve-on-stall: relative decrease of M that counts as progress.")
      .source("ours");
  s.key("optimizer.lr_floor", &o.lr_floor)
      .above(0)
      .max(1)
      .help("halve-on-stall: smallest learning rate, as a share of optimizer.lr.")
      .source("ours");
  s.key("optimizer.step_every", &o.step_every)
      .min(1)
      .max(kMaxSteps)
      .help("step: steps between two decreases.")
      .source("ours");
  s.key("optimizer.step_factor", &o.step_factor)
      .above(0)
      .max(1)
      .help("step: factor of the learning rate.")
      .source("ours");
  s.key("optimizer.decay_steps", &o.decay_steps)
      .min(1)
      .max(kMaxSteps)
      .help(
          "linear, cosine: step at which the decay ends, warm-up included; auto: the length that "
          "the run had when it started.")
      .source("ours");
  s.key("optimizer.final_lr", &o.final_lr)
      .min(0)
      .max(1)
      .help("linear, cosine: learning rate after the decay, as a share of optimizer.lr.")
      .source("SGDR, arXiv 1608.03983");
}

void add_output(Schema& s, CheckpointOptions& checkpoint, SamplesOptions& samples) {
  s.key("checkpoint.every", &checkpoint.every)
      .min(1)
      .help("Steps between checkpoints; the last step always has one.");
  s.key("checkpoint.every_seconds", &checkpoint.every_seconds)
      .min(0)
      .max(604800)
      .help("Also a checkpoint after this time without one, by the clock of rank 0; 0: none.");
  s.key("checkpoint.keep", &checkpoint.keep)
      .min(0)
      .max(kMaxKept)
      .help("Newest checkpoints to keep; 0: all.");
  s.key("checkpoint.background", &checkpoint.background)
      .help("Training continues while a checkpoint is written; false: it waits.");
  s.key("checkpoint.local", &checkpoint.local)
      .help(
          "Folder in memory or on a disk of each host, for copies of the newest state; \"\": none.")
      .source("ours");
  s.key("checkpoint.local_every_seconds", &checkpoint.local_every_seconds)
      .min(1)
      .max(604800)
      .help("Seconds between local copies, by the clock of rank 0.")
      .source("ours");
  s.key("samples.every", &samples.every).min(1).help("Steps between sample grids.");
  s.key("samples.grid", &samples.grid).help("Size of a sample grid: columns x rows.");
}

void add_evaluate(Schema& s, EvaluateOptions& o) {
  s.key("evaluate.every", &o.every)
      .min(0)
      .help("Steps between evaluations of samples against the data; 0: none.");
  s.key("evaluate.samples", &o.samples)
      .min(10)
      .max(kMaxEvaluated)
      .help("Samples per evaluation; at most half of the data set.")
      .source("ours");
  s.key("evaluate.validation_every", &o.validation_every)
      .min(1)
      .help("Steps between validations on data.validation; auto: one epoch of the training data.")
      .source("ours");
  s.key("evaluate.validation_images", &o.validation_images)
      .min(1)
      .max(kMaxEvaluated)
      .help("Images of data.validation per validation, and as many training images.")
      .source("ours");
}

}  // namespace

std::vector<std::string> precision_names() { return {"auto", "fp32", "tf32", "bf16"}; }
std::vector<std::string> optimizer_names() { return {"adam", "adamax", "sgd"}; }
std::vector<std::string> switch_names() { return {"auto", "on", "off"}; }

std::vector<std::string> data_cache_names() { return {"auto", "host", "gpu", "none"}; }
std::string name_of(TrainingPrecision precision) {
  return precision_names().at(static_cast<std::size_t>(precision));
}
std::string name_of(OptimizerName optimizer) {
  return optimizer_names().at(static_cast<std::size_t>(optimizer));
}

Schema Experiment::schema() {
  Schema s;
  add_data(s, data);
  add_model(s, model);
  add_rbms(s, model);
  objective.add_keys(s);
  augment.add_keys(s);
  add_train(s, train);
  add_execution(s, train);
  add_rescue(s, train);
  add_watchdog(s, train);
  add_optimizer(s, optimizer);
  add_lr_schedule(s, optimizer);
  add_output(s, checkpoint, samples);
  add_evaluate(s, evaluate);
  add_performance_keys(s, performance);
  for (const auto& [old_name, name] : renamed_keys()) s.renamed(old_name, name);
  // Models compute in single precision, where larger values are infinite.
  s.bound_numbers(std::numeric_limits<float>::max());
  s.alternatives({"train.steps", "train.epochs", "train.kimg"});
  return s;
}

}  // namespace valley
