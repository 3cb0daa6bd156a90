// The keys of [performance]: what makes a step fast, each of which can be switched off to measure
// what it gains.
#include "train/experiment.h"

namespace valley {

void add_performance_keys(Schema& s, PerformanceOptions& o) {
  s.key("performance.fused_elu", &o.fused_elu)
      .help("BEGAN's biases and ELUs in one pass behind each conv, forward and backward.")
      .source("ours");
  s.key("performance.folded_upsampling", &o.folded_upsampling)
      .help(
          "BEGAN's upsampling and the conv behind it as one transposed conv with a 4x4 kernel; "
          "needs fused_elu.")
      .source("ours");
  s.key("performance.winograd", &o.winograd)
      .help(
          "Convs on CPUs with AVX2 or AVX-512 by Winograd: 3x3 of stride 1 by F(4x4, 3x3), those "
          "of the "
          "EBM and of BEGAN with fused_elu; 4x4 of stride 2 and their transposed convs by "
          "F(4x4, 2x2), those of EBGAN and MAGAN.")
      .source("ours");
  s.key("performance.narrow_convs", &o.narrow_convs)
      .help(
          "Convs from and to the 1 or 3 channels of images on CPUs with AVX2 or AVX-512 by "
          "kernels of their own: those of BEGAN with fused_elu, the gradients of the EBM's first, "
          "and those to images of EBGAN and MAGAN.")
      .source("ours");
  s.key("performance.frozen_networks", &o.frozen_networks)
      .help("Networks that a phase does not update get no weight gradients in it.")
      .source("ours");
  s.key("performance.bf16_shadow", &o.bf16_shadow)
      .help(
          "With train.precision = \"bf16\" optimizers also write the weights as bfloat16, which "
          "passes "
          "read; else each pass converts them.")
      .source("ours");
  s.key("performance.device_cache", &o.device_cache)
      .one_of({"auto", "on", "off"})
      .help(
          "The whole data set on the device of each rank, as bytes. auto: off until docs/gpu.md "
          "shows that its steps pass on a real GPU; then on GPUs where it takes at most half of "
          "the free memory.")
      .source("ours");
  s.key("performance.keep_memory", &o.keep_memory)
      .help(
          "Memory that a pass frees on the host stays with the process for the next pass, where "
          "the "
          "C library would return it to the system and have its pages cleared again.")
      .source("ours");
  s.key("performance.overlap", &o.overlap)
      .one_of({"auto", "on", "off"})
      .help(
          "Sum gradients over ranks in buckets, from inside the backward pass that fills them; "
          "those of D continue under the generator's forward pass. \"auto\": on GPUs, and on CPUs "
          "where "
          "each rank has a core to spare for it. Not with train.reproducible.")
      .source("ours");
  s.key("performance.bucket_mib", &o.bucket_mib)
      .min(1)
      .max(1024)
      .help("Size of these buckets, MiB; auto: 4 on CPUs, 25 on GPUs.")
      .source("ours");
  s.key("performance.cuda_graph", &o.cuda_graph)
      .one_of({"auto", "on", "off"})
      .help(
          "On GPUs record the passes of a step as a CUDA graph and replay it, where the host would "
          "launch each kernel; steps that report run as without. Of the EBM a step of its Langevin "
          "chains is recorded. auto: off until docs/gpu.md "
          "shows that its steps pass on a real GPU; then on GPUs for all models but the DBN.")
      .source("ours");
  s.key("performance.rank_timeout", &o.rank_timeout)
      .min(1)
      .max(604800)
      .help(
          "On GPUs: seconds that a rank waits for the other ranks or for its own device before the "
          "job ends with exit code 76.")
      .source("ours");
}

}  // namespace valley
