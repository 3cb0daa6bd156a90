#include "inference/saved_model.h"

#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "storage/checkpoint.h"
#include "storage/run_directory.h"
#include "storage/safetensors.h"

namespace valley {
namespace {

TensorFile read_model(const ModelLocation& location) {
  if (location.checkpoint) return read_checkpoint(*location.checkpoint).model;
  return read_safetensors(location.model_file);
}

void fill(const Network& network, const std::string& prefix, const TensorFile& file,
          const std::string& where, at::Device device) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : network.parameters().all()) {
    at::Tensor value = p.value;
    const at::Tensor saved = require_tensor(file.tensors, prefix + p.name, value.sizes(), where);
    value.set_data(saved.to(device).contiguous(value.dim() == 4 ? at::MemoryFormat::ChannelsLast
                                                                : at::MemoryFormat::Contiguous));
  }
  network.parameters().require_grad(false);
}

bool has_prefix(const TensorFile& file, const std::string& prefix) {
  const auto first = file.tensors.lower_bound(prefix);
  return first != file.tensors.end() && first->first.starts_with(prefix);
}

}  // namespace

SavedModel load_model(const std::filesystem::path& named, Weights weights, at::Device device) {
  const ModelLocation location = locate_model(named);
  const std::string where = location.model_file.string();
  const TensorFile file = read_model(location);
  SavedModel saved{ModelOptions::from_metadata(file.metadata, where), nullptr, location.model_file,
                   false};
  saved.model = make_model(saved.options);
  for (const NamedNetwork& n : saved.model->networks()) {
    const std::string average = n.name + "_ema.";
    const bool averaged = weights == Weights::kAveraged && has_prefix(file, average);
    fill(*n.network, averaged ? average : n.name + ".", file, where, device);
    saved.averaged = saved.averaged || averaged;
  }
  return saved;
}

}  // namespace valley
