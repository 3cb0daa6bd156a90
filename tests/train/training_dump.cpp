// Trains a few steps through the real trainer and writes all that a second implementation needs to
// repeat them:
//
//   training_dump IN.safetensors OUT.safetensors SKIPS(0|1) DOWNSAMPLE GAMMA LAMBDA_K RATE WIDTH
//   LATENT HIDDEN [KEY=VALUE...]
//
// IN holds "images" uint8 [steps, B, H, W, C]. OUT holds start.*, and for step s: s.z_d, s.z_g,
// s.gradient.*, s.value.*, s.loss/D and the other numbers of the report.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cstdio>
#include <string>
#include <vector>

#include "comm/self_communicator.h"
#include "core/error.h"
#include "kernels/device.h"
#include "kernels/kernels.h"
#include "train/trainer.h"

namespace valley {
namespace {

at::Tensor latents(const Experiment& e, RandomStream stream, std::int64_t position) {
  at::Tensor z = at::empty({e.train.global_batch, e.model.latent}, at::kFloat);
  kernels::fill_uniform(z, {static_cast<std::uint64_t>(e.train.seed), stream, -1, 1},
                        at::full({}, position, at::kLong), 0);
  return z;
}

Experiment experiment_from(char** argv, const at::Tensor& images) {
  Experiment e;
  e.model.resolution = images.size(2);
  e.model.channels = images.size(4);
  e.model.skip_connections = std::string(argv[3]) == "1";
  e.model.downsample = argv[4];
  e.objective.gamma = std::stod(argv[5]);
  e.objective.lambda_k = std::stod(argv[6]);
  e.optimizer.lr = std::stod(argv[7]);
  e.model.width = std::stoll(argv[8]);
  e.model.latent = std::stoll(argv[9]);
  e.model.hidden = std::stoll(argv[10]);
  e.train.global_batch = images.size(1);
  e.train.seed = 17;
  e.optimizer.lr_schedule = "constant";
  return e;
}

int run(char** argv, const std::vector<std::string>& overrides) {
  set_arithmetic({Precision::kFp32, true, 1});
  const at::Tensor images = read_safetensors(argv[1]).tensors.at("images");
  Experiment e = experiment_from(argv, images);
  Schema schema = e.schema();
  schema.load_text("", "", overrides);
  const auto alone = make_self_communicator(at::kCPU);
  Trainer trainer(e, plan_microbatches(e.train.global_batch, std::nullopt, 1, false), *alone, 1000);
  TensorFile out;
  for (const auto& [name, tensor] : trainer.snapshot(schema, "").model.tensors)
    out.tensors["start." + name] = tensor;
  for (std::int64_t s = 0; s < images.size(0); ++s) {
    const std::string prefix = std::to_string(s) + ".";
    out.tensors[prefix + "z_d"] = latents(e, RandomStream::kLatentD, trainer.images_seen());
    out.tensors[prefix + "z_g"] = latents(e, RandomStream::kLatentG, trainer.images_seen());
    trainer.step(images[s].contiguous(), false);
    for (const auto& [name, tensor] : trainer.gradients())
      out.tensors[prefix + "gradient." + name] = tensor;
    for (const auto& [name, tensor] : trainer.snapshot(schema, "").model.tensors) {
      out.tensors[prefix + "value." + name] = tensor;
    }
    for (const auto& v : trainer.report())
      out.tensors[prefix + v.name] = at::full({}, v.value, at::kDouble);
  }
  write_safetensors(argv[2], out);
  return 0;
}

}  // namespace
}  // namespace valley

int main(int argc, char** argv) {
  constexpr int kArguments = 11;
  if (argc < kArguments) {
    std::fprintf(stderr, "see the head of training_dump.cpp for the arguments\n");
    return 2;
  }
  return valley::run(argv, {argv + kArguments, argv + argc});
}
