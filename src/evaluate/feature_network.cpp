#include "evaluate/feature_network.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"

namespace valley {
namespace {

constexpr std::int64_t kRgb = 3;
constexpr const char* kFlag = "return_features";

// LibTorch's message without stack traces: the error of the script, or else the first line.
std::string reason(const std::string& what) {
  const std::size_t error = what.rfind("Error: ");
  const std::size_t begin = error == std::string::npos ? 0 : what.rfind('\n', error) + 1;
  return what.substr(begin, what.find('\n', begin) - begin);
}

torch::jit::Module load(const std::filesystem::path& file, at::Device device) {
  try {
    torch::jit::Module module = torch::jit::load(file.string(), device);
    module.eval();
    return module;
  } catch (const std::exception& error) {
    throw Error(
        ExitCode::kData,
        "{}: it is not a TorchScript network ({}); save one with torch.jit.save, or use the "
        "inception-2015-12-05.pt of StyleGAN2-ADA",
        file.string(), reason(error.what()));
  }
}

bool has_flag(const c10::FunctionSchema& schema) {
  const auto& arguments = schema.arguments();
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const c10::Argument& a) { return a.name() == kFlag; });
}

}  // namespace

struct FeatureNetwork::Script {
  mutable torch::jit::Module module;
  bool takes_flag = false;
};

FeatureNetwork::FeatureNetwork(const std::filesystem::path& file, at::Device device)
    : file_(file), device_(device), sha256_(sha256_of_file(file)) {
  script_ = std::make_unique<Script>(Script{load(file, device), false});
  const auto forward = script_->module.find_method("forward");
  if (!forward)
    throw Error(ExitCode::kData, "{}: the network has no forward(); save one that has",
                file.string());
  script_->takes_flag = has_flag(forward->function().getSchema());
}

FeatureNetwork::~FeatureNetwork() = default;

at::Tensor FeatureNetwork::features(const at::Tensor& pixels) const {
  const at::NoGradGuard no_grad;
  // Without graph optimization after the first calls, which would make results depend on their
  // number.
  const torch::jit::GraphOptimizerEnabledGuard plain(false);
  const std::int64_t n = pixels.size(0);
  const at::Tensor images = pixels.permute({0, 3, 1, 2})
                                .expand({n, kRgb, pixels.size(1), pixels.size(2)})
                                .contiguous()
                                .to(device_);
  at::Tensor features;
  try {
    torch::jit::Kwargs flags;
    if (script_->takes_flag) flags.emplace(kFlag, true);
    features = script_->module.get_method("forward")({images}, flags).toTensor();
  } catch (const std::exception& error) {
    throw Error(
        ExitCode::kData,
        "{}: the network rejects uint8 images [{}, 3, {}, {}] ({}); it must scale and resize "
        "them itself, see docs/evaluating.md",
        file_.string(), n, pixels.size(1), pixels.size(2), reason(error.what()));
  }
  if (features.dim() != 2 || features.size(0) != n || !features.is_floating_point())
    throw Error(
        ExitCode::kData,
        "{}: the network returns {} {} for {} images; it must return one row of features per image",
        file_.string(), c10::toString(features.scalar_type()),
        fmt::format("[{}]", fmt::join(features.sizes(), ", ")), n);
  features = features.to(at::kFloat).to(at::kCPU).contiguous();
  if (!at::isfinite(features).all().item<bool>())
    throw Error(ExitCode::kData,
                "{}: the network returns features that are not finite; use another network",
                file_.string());
  return features;
}

}  // namespace valley
