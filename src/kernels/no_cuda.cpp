// Builds without CUDA: no tensor can be on a CUDA device, so reaching any of these is a bug.
#include "core/error.h"
#include "kernels/activation_launch.h"
#include "kernels/device.h"
#include "kernels/launch.h"
#include "kernels/loss_launch.h"
#include "kernels/work_graph.h"

namespace valley {
namespace kernels::cuda {
void run(const ImagesFromBytes& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const FillUniform& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const FillNormal& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const ShiftAndCut& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const Adam& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const Adamax& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const Sgd& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const ClipByNorm& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const DecayWeights& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const MovingAverage& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const BiasElu& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const EluBackward& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const L1Mean& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const L1Gradients& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
void run(const BeganController& /*k*/) { VALLEY_CHECK(!"built without CUDA"); }
}  // namespace kernels::cuda

DeviceMemory cuda_memory(at::Device /*device*/) {
  VALLEY_CHECK(!"built without CUDA");
  return {};
}
bool has_cuda_device() { return false; }
void cuda_synchronize() { VALLEY_CHECK(!"built without CUDA"); }
std::unique_ptr<WorkGraph> make_cuda_graph(at::Device /*device*/) {
  VALLEY_CHECK(!"built without CUDA");
  return nullptr;
}
std::string cuda_versions() { return "CUDA off"; }
}  // namespace valley
