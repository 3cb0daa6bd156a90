// The keys of [performance]: optimizations that can be switched off one at a time to measure their
// gain.
#include "experiment/experiment.h"

namespace valley {

namespace {

void add_computation(Schema& s, PerformanceOptions& o) {
  s.key("performance.fused_elu", &o.fused_elu)
      .help("BEGAN: bias and ELU in one pass after each convolution, forward and backward.")
      .source("ours");
  s.key("performance.folded_upsampling", &o.folded_upsampling)
      .help(
          "BEGAN: upsampling and the following convolution as one transposed 4x4 convolution; "
          "needs performance.fused_elu.")
      .source("ours");
  s.key("performance.winograd", &o.winograd)
      .help(
          "Winograd convolutions on CPUs with AVX2 or AVX-512: 3x3 of stride 1 by F(4x4, 3x3) in "
          "the EBM and, with performance.fused_elu, in BEGAN; 4x4 of stride 2 and their transposes "
          "by F(4x4, 2x2) in EBGAN and MAGAN.")
      .source("ours");
  s.key("performance.narrow_convs", &o.narrow_convs)
      .help(
          "Small-channel convolutions, from and to the 1 or 3 channels of images, by Valley's own "
          "kernels on CPUs with AVX2 or AVX-512: in BEGAN with performance.fused_elu, the "
          "gradients of the EBM's first layer, and the last layers of EBGAN and MAGAN.")
      .source("ours");
  s.key("performance.frozen_networks", &o.frozen_networks)
      .help("Skip weight gradients of the networks that a phase does not update.")
      .source("ours");
  s.key("performance.bf16_shadow", &o.bf16_shadow)
      .help(
          "With train.precision = \"bf16\", optimizers also write a bf16 copy of the weights; "
          "otherwise each pass converts them.")
      .source("ours");
}

void add_memory_and_ranks(Schema& s, PerformanceOptions& o) {
  s.choice("performance.device_cache", &o.device_cache, switch_names())
      .help(
          "Keep the whole data set in the memory of each rank's device, as bytes. auto: off until "
          "docs/gpu.md shows that it passes on a real GPU; then on GPUs if it takes at most half "
          "of the free memory.")
      .source("ours");
  s.key("performance.keep_memory", &o.keep_memory)
      .help(
          "Freed host memory stays with the process for the next pass, so that the system does not "
          "clear its pages again.")
      .source("ours");
  s.choice("performance.overlap", &o.overlap, switch_names())
      .help(
          "Overlap the all-reduce of gradient buckets with the backward pass that fills them, and "
          "D's reductions with the generator's forward pass. auto: on GPUs, and on CPUs where each "
          "rank has a spare core. Not with train.reproducible.")
      .source("ours");
  s.key("performance.bucket_mib", &o.bucket_mib)
      .min(1)
      .max(1024)
      .help("Size of a gradient bucket, MiB; auto: 4 on CPUs, 25 on GPUs.")
      .source("ours");
  s.choice("performance.cuda_graph", &o.cuda_graph, switch_names())
      .help(
          "On GPUs, record the passes of a step (for the EBM: a Langevin step) as a CUDA graph and "
          "replay it; steps with a report run without. auto: off until docs/gpu.md shows that it "
          "passes on a real GPU; then on GPUs for all methods except dbn.")
      .source("ours");
  s.key("performance.rank_timeout", &o.rank_timeout)
      .min(1)
      .max(604800)
      .help(
          "On GPUs: seconds that a rank waits for other ranks or for its device before the job "
          "ends with exit code 76.")
      .source("ours");
}

}  // namespace

void add_performance_keys(Schema& s, PerformanceOptions& o) {
  add_computation(s, o);
  add_memory_and_ranks(s, o);
}

}  // namespace valley
