// Runs a few steps of the trainer and writes everything that a second implementation needs to
// reproduce them:
//
//   training_dump CONFIG.toml N IN.safetensors OUT.safetensors [KEY=VALUE...]
//
// N: size of the data set, which defines the length of epochs. IN contains "images" uint8 [steps,
// B, H, W, C] with B = train.global_batch, and optionally "labels" int64 [steps, B]. OUT contains
//   start.*                 the model file before the first step
//   s.z_d, s.z_g            step s: latents, if there is a generator
//   s.augment_*             step s: uniform numbers of the augmentation of real images (real) and
//   of
//                           generated ones (d, g), [B, Augmentation::kDraws], if it is on
//   s.* of chain_draws      step s: random draws of the chains, if there is an energy, and the
//                           replay buffer after the step
//   s.gradient.*            gradients of step s
//   s.value.*               the model file after step s
//   s.loss/D and others     metrics of step s
//   s.epoch.*               report of an epoch that ended with step s
//   s.measure.* [B]         validation metrics of the step's images after step s, if the objective
//                           has them
//   state.*                 the state file after the last step
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "comm/self_communicator.h"
#include "core/error.h"
#include "kernels/device.h"
#include "kernels/kernels.h"
#include "methods/adversarial/augmentation.h"
#include "methods/adversarial/autoencoder_gan.h"
#include "methods/ebm/energy_model.h"
#include "methods/ebm/options.h"
#include "nn/sampling.h"
#include "train/trainer.h"

namespace valley {
namespace {

struct Arguments {
  std::string config;
  std::uint64_t images;
  std::string in;
  std::string out;
  std::vector<std::string> overrides;
};

void put(TensorFile& out, const std::string& prefix, const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) out.tensors[prefix + name] = tensor;
}

at::Tensor latents(const Experiment& e, RandomStream stream, std::int64_t position) {
  const LatentDraw draw = latent_draw(e.model);
  at::Tensor z = at::empty({e.train.global_batch, draw.size}, at::kFloat);
  fill_latents(z, draw, static_cast<std::uint64_t>(e.train.seed), stream,
               at::full({}, position, at::kLong), 0);
  return z;
}

TensorMap augment_draws(const Experiment& e, std::int64_t position) {
  const auto draw = [&](RandomStream stream) {
    at::Tensor out = at::empty({e.train.global_batch, Augmentation::kDraws}, at::kFloat);
    kernels::fill_uniform(out, {e.seed(), stream, 0, 1}, at::full({}, position, at::kLong), 0);
    return out;
  };
  return {{"augment_real", draw(RandomStream::kAugmentReal)},
          {"augment_d", draw(RandomStream::kAugmentD)},
          {"augment_g", draw(RandomStream::kAugmentG)}};
}

// Random draws for the global batch: from U(0, 1) choice [B, 2] (slots and restarts), start [B, H *
// W * C] (initial noise) and within [B, H * W * C] (dequantization of real pixels), and from N(0,
// 1) noise [steps, B, H * W * C] (noise of the chains).
TensorMap chain_draws(const Experiment& e, std::int64_t position) {
  const auto seed = static_cast<std::uint64_t>(e.train.seed);
  const std::int64_t elements = e.model.resolution * e.model.resolution * e.model.channels;
  const at::Tensor first = at::full({}, position, at::kLong);
  const auto uniform = [&](RandomStream stream, std::int64_t columns) {
    at::Tensor out = at::empty({e.train.global_batch, columns}, at::kFloat);
    kernels::fill_uniform(out, {seed, stream, 0, 1}, first, 0);
    return out;
  };
  at::Tensor noise = at::empty(
      {e.objective.as<EbmOptions>().langevin_steps, e.train.global_batch, elements}, at::kFloat);
  for (std::int64_t step = 0; step < noise.size(0); ++step) {
    const auto block = static_cast<std::uint32_t>(step * ((elements + 3) / 4));
    kernels::fill_normal(noise[step], {seed, RandomStream::kLangevin, 1, block}, first, 0);
  }
  at::Tensor data_noise = at::empty({e.train.global_batch, elements}, at::kFloat);
  kernels::fill_normal(data_noise, {seed, RandomStream::kDataNoise, 1}, first, 0);
  return {{"choice", uniform(RandomStream::kReplay, 2)},
          {"start", uniform(RandomStream::kReplayStart, elements)},
          {"within", uniform(RandomStream::kDequantize, elements)},
          {"noise", noise},
          {"data_noise", data_noise}};
}

void dump_step(const Experiment& e, const Schema& schema, Trainer& trainer,
               const at::Tensor& pixels, const at::Tensor& labels, TensorFile& out) {
  const std::string prefix = std::to_string(trainer.steps_done()) + ".";
  const auto number = [&](const std::string& name, double value) {
    out.tensors[prefix + name] = at::full({}, value, at::kDouble);
  };
  if (dynamic_cast<const AutoencoderGan*>(&trainer.model()) != nullptr) {
    const std::int64_t position = trainer.images_seen();
    out.tensors[prefix + "z_d"] = latents(e, RandomStream::kLatentD, position);
    out.tensors[prefix + "z_g"] = latents(e, RandomStream::kLatentG, position);
    if (e.augment.is_on()) put(out, prefix, augment_draws(e, position));
  }
  const bool has_chains = dynamic_cast<const EnergyModel*>(&trainer.model()) != nullptr;
  if (has_chains) put(out, prefix, chain_draws(e, trainer.images_seen()));
  trainer.step(pixels, false, labels);
  put(out, prefix, trainer.gather_owned());
  put(out, prefix + "gradient.", trainer.gradients());
  put(out, prefix + "value.", trainer.snapshot(schema, "").model.tensors);
  for (const auto& v : trainer.report()) number(v.name, v.value);
  for (const auto& [name, values] : trainer.measure(pixels, labels, 0))
    out.tensors[prefix + "measure." + name] = values.clone();
  if (const auto epoch = trainer.take_epoch_report()) {
    for (const auto& [name, value] : *epoch) {
      if (const auto* held = std::get_if<double>(&value)) number("epoch." + name, *held);
    }
  }
}

int run(const Arguments& arguments) {
  Experiment e;
  std::vector<std::string> overrides = {"data.path=none"};
  overrides.insert(overrides.end(), arguments.overrides.begin(), arguments.overrides.end());
  const Schema schema = Experiment::load(e, arguments.config, overrides);
  e.resolve(schema);
  set_arithmetic({Precision::kFp32, true, 1});
  const TensorMap in = read_safetensors(arguments.in).tensors;
  const at::Tensor images = in.at("images");
  const auto alone = make_self_communicator(at::kCPU);
  const MicrobatchPlan plan =
      plan_microbatches(e.train.global_batch, e.train.microbatch, 1, e.train.reproducible);
  Trainer trainer(e, plan, *alone, arguments.images);
  TensorFile out;
  put(out, "start.", trainer.snapshot(schema, "").model.tensors);
  for (std::int64_t s = 0; s < images.size(0); ++s) {
    const at::Tensor labels =
        in.contains("labels") ? in.at("labels")[s].contiguous() : at::Tensor();
    dump_step(e, schema, trainer, images[s].contiguous(), labels, out);
  }
  put(out, "state.", trainer.snapshot(schema, "", trainer.gather_owned()).state.tensors);
  write_safetensors(arguments.out, out);
  return 0;
}

}  // namespace
}  // namespace valley

int main(int argc, char** argv) {
  const std::vector<std::string> given(argv + 1, argv + argc);
  if (given.size() < 4) {
    std::fprintf(stderr, "see the head of training_dump.cpp for the arguments\n");
    return 2;
  }
  try {
    return valley::run({given[0], std::stoull(given[1]), given[2], given[3],
                        std::vector<std::string>(given.begin() + 4, given.end())});
  } catch (const valley::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
