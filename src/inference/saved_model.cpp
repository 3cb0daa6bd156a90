#include "inference/saved_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <map>
#include <set>

#include "core/error.h"
#include "methods/registry.h"
#include "storage/run_directory.h"
#include "storage/safetensors.h"

namespace valley {
namespace {

constexpr const char* kFormat = "valley-model";
constexpr const char* kVersion = "1";

void require_format(const std::map<std::string, std::string>& metadata, const std::string& where) {
  const auto value = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (value("format") != kFormat)
    throw Error(
        ExitCode::kData,
        "{}: \"format\" in its metadata is \"{}\", not \"{}\": name a model that Valley wrote",
        where, value("format"), kFormat);
  if (value("format_version") != kVersion)
    throw Error(
        ExitCode::kData,
        "{}: its \"format_version\" is \"{}\", but this program reads {}: use the version of "
        "Valley that wrote it",
        where, value("format_version"), kVersion);
}

// The networks that the metadata describe, as shapes only.
std::unique_ptr<Model> make_meta_model(const ModelOptions& options, const std::string& where) {
  try {
    return make_meta_model(options);
  } catch (const Error& error) {
    throw Error(ExitCode::kData, "{}: no networks can be built from its metadata: {}", where,
                error.what());
  }
}

bool has_prefix(const TensorFileOutline& file, const std::string& prefix) {
  const auto first = file.tensors.lower_bound(prefix);
  return first != file.tensors.end() && first->first.starts_with(prefix);
}

// Prefix of the tensors to load into a network: "generator_ema." or "generator.".
std::string tensor_prefix(const NamedNetwork& n, Weights weights, const TensorFileOutline& file) {
  const std::string average = n.name + "_ema.";
  return weights == Weights::kAveraged && has_prefix(file, average) ? average : n.name + ".";
}

// Values that are not finite would give plausible images and classes: byte 0, unit off.
void require_finite(const at::Tensor& values, const std::string& name, const std::string& where) {
  const at::Tensor bad = at::isfinite(values).logical_not();
  const auto count = bad.sum().item<std::int64_t>();
  if (count == 0) return;
  throw Error(ExitCode::kData,
              "{}: {} of the {} values of its tensor \"{}\" are not finite; use an earlier "
              "checkpoint",
              where, count, values.numel(), name);
}

void fill(const Network& network, const std::string& prefix, const TensorFile& file,
          const std::string& where, at::Device device) {
  const at::NoGradGuard no_grad;
  const auto take = [&](const std::string& name, at::Tensor value) {
    const at::Tensor saved = require_tensor(file.tensors, prefix + name, value.sizes(), where);
    require_finite(saved, prefix + name, where);
    value.set_data(saved.to(device).contiguous(value.dim() == 4 ? at::MemoryFormat::ChannelsLast
                                                                : at::MemoryFormat::Contiguous));
  };
  for (const Parameter& p : network.parameters().all()) take(p.name, p.value);
  for (const Buffer& b : network.parameters().buffers()) take(b.name, b.value);
  network.parameters().require_grad(false);
}

}  // namespace

SavedModel load_model(const std::filesystem::path& named, Weights weights, at::Device device) {
  const std::filesystem::path path =
      locate_model(named).model_file;  // verified with its checkpoint
  const std::string where = path.string();
  const TensorFileOutline contents = outline_safetensors(path);
  require_format(contents.metadata, where);
  SavedModel saved{ModelOptions::from_metadata(contents.metadata, where),
                   nullptr,
                   path,
                   false,
                   contents.metadata,
                   device};

  // Metadata can describe networks of any size: check that the file has their tensors first.
  const std::unique_ptr<Model> meta_model = make_meta_model(saved.options, where);
  std::map<std::string, std::string> sources;
  std::set<std::string> wanted;
  for (const NamedNetwork& n : meta_model->networks()) {
    const std::string prefix = sources[n.name] = tensor_prefix(n, weights, contents);
    const auto want = [&](const std::string& name, const at::Tensor& value) {
      require_tensor(contents, prefix + name, value.sizes(), where);
      wanted.insert(prefix + name);
    };
    for (const Parameter& p : n.network->parameters().all()) want(p.name, p.value);
    for (const Buffer& b : n.network->parameters().buffers()) want(b.name, b.value);
    saved.averaged = saved.averaged || prefix != n.name + ".";
  }

  const TensorFile file =
      read_safetensors(path, [&](const std::string& name) { return wanted.contains(name); });
  saved.model = make_model(saved.options);
  saved.model->set_origin(where);
  for (const NamedNetwork& n : saved.model->networks())
    fill(*n.network, sources.at(n.name), file, where, device);
  return saved;
}

void reset_weights(SavedModel& saved, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  saved.model->initialize(seed);
  saved.averaged = false;
}

}  // namespace valley
