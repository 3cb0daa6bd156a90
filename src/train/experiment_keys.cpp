// Every key of the config: where it is bound, what it may hold, what it means.
#include <limits>

#include "core/error.h"
#include "data/loader.h"
#include "data/order.h"
#include "objectives/energies.h"
#include "train/experiment.h"

namespace valley {
namespace {

constexpr std::int64_t kMostKimg = kMostSteps / 1000;
constexpr std::int64_t kMostBatch = std::int64_t{1} << 20;
constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostKept = 1'000'000;
constexpr std::int64_t kMostEvaluated = 1'000'000;
constexpr std::int64_t kMostChainSteps = 1'000'000;
constexpr std::int64_t kMostReplay = 1'000'000'000;
constexpr const char* kPaper = "BEGAN, arXiv 1703.10717";
constexpr const char* kIgebm = "Du & Mordatch, arXiv 1903.08689";

void add_data(Schema& s, DataOptions& o) {
  s.key("data.path", &o.path).help("Folder of shards that `valley shard build` made.");
  s.key("data.validation", &o.validation)
      .help("Folder of shards that training never sees, on which it is measured; empty: none.");
  s.key("data.order", &o.order)
      .one_of(order_names())
      .help(
          "How an epoch is shuffled: over all images, or within moving windows (for disks and "
          "networks).")
      .source("ours");
  s.key("data.verify", &o.verify)
      .one_of(verify_names())
      .help("When each image's CRC32C is compared.")
      .source("ours");
  s.key("data.mirror", &o.mirror)
      .help("Flip a random half of the images left to right.")
      .source("ours");
}

constexpr const char* kGuide = "Hinton, A Practical Guide to Training RBMs, 2010";

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
  s.key("model.latent_distribution", &o.latent_distribution)
      .one_of({"uniform", "normal"})
      .help("Of the numbers a sample is generated from: U(-1, 1) or N(0, 1).")
      .source(kPaper);
  s.key("model.output", &o.output)
      .one_of({"linear", "tanh", "sigmoid"})
      .help("What ends the networks that make images; with sigmoid images are in [0, 1].")
      .source(kPaper);
  s.key("model.batch_norm", &o.batch_norm)
      .help("Batch norm where the paper has it; its moments are those of a microbatch.");
  s.key("model.spectral_norm", &o.spectral_norm)
      .help("Divide the weights of the energy by their largest singular value.");
  s.key("model.vanishing_residuals", &o.vanishing_residuals)
      .min(0)
      .help("Steps in which the carry of residuals falls from 1 to 0; 0: no residuals.")
      .source(std::string(kPaper) + ", section 3.4 (16000 there)");
  s.key("model.layers", &o.layers)
      .min(1)
      .max(kMostUnits)
      .help("Hidden units of each RBM of a deep belief network, from the pixels up.")
      .source("Hinton, Osindero & Teh 2006");
  s.key("model.visible_units", &o.visible_units)
      .one_of({"bernoulli", "gaussian"})
      .help("Of the first RBM: pixels as probabilities, or standardised, with unit variance.")
      .source(kGuide);
  s.key("model.labels", &o.labels)
      .min(0)
      .max(kMostUnits)
      .help("Classes of a deep belief network; 0: none.");
  s.key("model.label_units", &o.label_units)
      .help("Classes are units of the top RBM; else an output layer above it tells them.")
      .source("Hinton, Osindero & Teh 2006");
  s.key("model.initial_weights", &o.initial_weights)
      .one_of({"small", "xavier"})
      .help("Of RBMs: N(0, 0.01), or Xavier-uniform for back-propagation without pretraining.")
      .source(kGuide);
}

void add_objective(Schema& s, ObjectiveOptions& o) {
  s.key("objective.name", &o.name).one_of(objective_names()).help("The loss and its controller.");
  s.key("objective.gamma", &o.gamma)
      .above(0)
      .max(1)
      .help("Diversity ratio E[L(G(z))] / E[L(x)].")
      .source(kPaper);
  s.key("objective.lambda_k", &o.lambda_k).min(0).help("Gain of k.").source(kPaper);
  s.key("objective.energy", &o.energy)
      .one_of(energy_names())
      .help("How far an image is from its reconstruction, as one number.")
      .source(kPaper);
  s.key("objective.margin", &o.margin)
      .above(0)
      .help("Of EBGAN's hinge, in the unit of objective.energy; auto: what margin_rmse says.");
  s.key("objective.margin_rmse", &o.margin_rmse)
      .above(0)
      .help("The margin as the root of a pixel's mean squared error, for any energy and size.")
      .source("EBGAN's published margins are 0.18 of it");
  s.key("objective.pulling_away", &o.pulling_away)
      .one_of({"none", "squared", "cosine"})
      .help("EBGAN-PT's term for the generator: squared cosines of codes, or cosines.")
      .source("EBGAN, arXiv 1609.03126, section 2.4");
  s.key("objective.pulling_away_weight", &o.pulling_away_weight)
      .min(0)
      .help("Of the pulling-away term.")
      .source("EBGAN, arXiv 1609.03126");
  s.key("objective.pretrain_epochs", &o.pretrain_epochs)
      .min(0)
      .max(kMostEpochs)
      .help(
          "Epochs in which MAGAN trains D alone, before the margin is measured; of each RBM of a "
          "deep belief network.")
      .source("MAGAN, arXiv 1704.03817");
  s.key("objective.gibbs_steps", &o.gibbs_steps)
      .min(1)
      .max(kMostChainSteps)
      .help("Steps of an RBM's Gibbs chain for each update: k of CD-k.")
      .source(kGuide);
  s.key("objective.persistent_chains", &o.persistent_chains)
      .help("Chains go on from where the last update left them (PCD) instead of from the data.")
      .source("Tieleman 2008");
  s.key("objective.weight_cost", &o.weight_cost)
      .min(0)
      .help("Of half the squares of an RBM's weights.")
      .source(kGuide);
  s.key("objective.momentum_epochs", &o.momentum_epochs)
      .min(0)
      .max(kMostEpochs)
      .help("First epochs of each RBM, whose momentum is at most objective.first_momentum.")
      .source(kGuide);
  s.key("objective.first_momentum", &o.first_momentum)
      .min(0)
      .max(1)
      .help("Largest momentum in the first epochs of each RBM.")
      .source(kGuide);
  s.key("objective.cooling_epochs", &o.cooling_epochs)
      .min(0)
      .max(kMostCoolingEpochs)
      .help("Last epochs of each RBM, over which its rate falls in a line to nothing.")
      .source("Tieleman 2008");
  s.key("objective.fine_tune_epochs", &o.fine_tune_epochs)
      .min(0)
      .max(kMostEpochs)
      .help("Epochs of back-propagation through all layers, after the RBMs.")
      .source("Hinton, Osindero & Teh 2006");
  s.key("objective.fine_tune_lr", &o.fine_tune_lr)
      .above(0)
      .help("Learning rate of back-propagation, where optimizer.lr is that of the RBMs.")
      .source("ours");
  s.key("objective.langevin_steps", &o.langevin_steps)
      .min(1)
      .max(kMostChainSteps)
      .help("Steps of a Markov chain for each update of the EBM.")
      .source(kIgebm);
  s.key("objective.langevin_step_size", &o.langevin_step_size)
      .above(0)
      .help("What the energy's gradient is multiplied by in a step of a chain.")
      .source(kIgebm);
  s.key("objective.langevin_noise", &o.langevin_noise)
      .min(0)
      .help("Standard deviation of the noise of a step, pixels being in [0, 1].")
      .source(kIgebm);
  s.key("objective.langevin_clamp", &o.langevin_clamp)
      .min(0)
      .help("Largest absolute value of an element of the gradient; 0: any.")
      .source(kIgebm);
  s.key("objective.temperature", &o.temperature)
      .above(0)
      .help(
          "Sets the step size to noise^2 / (2 temperature), so that chains sample exp(-E / "
          "temperature); auto: step and noise as they are.");
  s.key("objective.replay_size", &o.replay_size)
      .min(0)
      .max(kMostReplay)
      .help("Chains that are kept and gone on with, all microbatches together.")
      .source(kIgebm);
  s.key("objective.replay_restart", &o.replay_restart)
      .min(0)
      .max(1)
      .help("Share of chains that begin again from noise.")
      .source(kIgebm);
  s.key("objective.energy_decay", &o.energy_decay)
      .min(0)
      .help("Weight of the squares of both energies in the EBM's loss.")
      .source(kIgebm);
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
      .one_of({"alternating", "shared"})
      .help(
          "D and G are updated one after the other, each with latents of its own, or both from one "
          "pass.")
      .source(kPaper);
  s.key("train.precision", &o.precision)
      .one_of({"auto", "fp32", "tf32", "bf16"})
      .help(
          "auto: tf32 on GPUs (RBMs: fp32), fp32 on CPUs. tf32: matrix products and convs on GPUs. "
          "bf16: activations and what weights are multiplied as; "
          "weights, gradients and losses stay fp32.");
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
  s.key("train.ema_ramp_up", &o.ema_ramp_up)
      .min(0)
      .max(1)
      .help(
          "The half-life is at most this share of the images seen so far, so that the average soon "
          "forgets the initial weights; 0: no limit.")
      .source("Karras et al. 2020 (StyleGAN2's code)");
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
  s.key("checkpoint.background", &checkpoint.background)
      .help("Train on while a checkpoint is written; false: wait for it.");
  s.key("samples.every", &samples.every).min(1).help("Steps between grids of samples.");
  s.key("samples.grid", &samples.grid).help("Columns x rows of a grid.");
}

void add_evaluate(Schema& s, EvaluateOptions& o) {
  s.key("evaluate.every", &o.every)
      .min(0)
      .help("Steps between evaluations of samples against the data; 0: none.");
  s.key("evaluate.samples", &o.samples)
      .min(10)
      .max(kMostEvaluated)
      .help("Samples of an evaluation; half of the data set where that is less.")
      .source("ours");
  s.key("evaluate.validation_every", &o.validation_every)
      .min(1)
      .help("Steps between measurements of data.validation; auto: an epoch of the training data.")
      .source("ours");
  s.key("evaluate.validation_images", &o.validation_images)
      .min(1)
      .max(kMostEvaluated)
      .help("Images of data.validation that are measured, and of the training data beside them.")
      .source("ours");
}

}  // namespace

Schema Experiment::schema() {
  Schema s;
  add_data(s, data);
  add_model(s, model);
  add_objective(s, objective);
  add_train(s, train);
  add_optimizer(s, optimizer);
  add_output(s, checkpoint, samples);
  add_evaluate(s, evaluate);
  add_performance_keys(s, performance);
  // Models compute in single precision, where a larger number is infinite.
  s.bound_numbers(std::numeric_limits<float>::max());
  s.alternatives({"train.steps", "train.epochs", "train.kimg"});
  s.alternatives({"objective.margin", "objective.margin_rmse"});
  return s;
}

}  // namespace valley
