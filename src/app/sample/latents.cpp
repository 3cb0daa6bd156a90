#include "app/sample/latents.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <fmt/core.h>

#include <CLI/Config.hpp>

#include "app/options.h"
#include "core/error.h"
#include "nn/sampling.h"
#include "storage/safetensors.h"

namespace valley::app {
namespace {

LatentPath requested_path(const LatentArguments& a, const SavedModel& saved) {
  if (a.path == "linear") return LatentPath::kLinear;
  if (a.path == "spherical") return LatentPath::kSpherical;
  return default_path(latent_draw(saved.options));
}

}  // namespace

void add_latent_options(CLI::App& command, LatentArguments& a) {
  command
      .add_option("--latents", a.file,
                  "Latent vectors from a file of --save-latents or of valley restore --save, "
                  "instead of seeds")
      ->excludes("--seeds")
      ->type_name("FILE.safetensors");
  command
      .add_option("--interpolate", a.interpolate,
                  "Steps from each latent vector to the next: a row of the PNG each, or frames")
      ->transform(number_range<std::int64_t>());
  command
      .add_option("--path", a.path,
                  "Path of --interpolate; auto: spherical for normal latents, else linear")
      ->check(CLI::IsMember({"auto", "linear", "spherical"}))
      ->capture_default_str();
  command.add_flag("--loop", a.loop,
                   "Interpolate from the last latent vector to the first, too: for frames");
}

at::Tensor read_latents(const std::string& file) {
  constexpr const char* kName = "latents";
  const TensorFileOutline outline = outline_safetensors(file);
  const auto found = outline.tensors.find(kName);
  if (found == outline.tensors.end() || found->second.type != at::kFloat ||
      found->second.shape.size() != 2 || found->second.shape[0] == 0)
    throw Error(ExitCode::kData,
                "{}: it has no latent vectors (a tensor \"{}\" of type F32 with two dimensions); "
                "name a file of valley sample --save-latents or valley restore --method latent "
                "--save",
                file, kName);
  at::Tensor latents = read_safetensors(file, [&](const std::string& name) {
                         return name == kName;
                       }).tensors.at(kName);
  if (!at::isfinite(latents).all().item<bool>())
    throw Error(ExitCode::kData, "{}: its tensor \"{}\" has values that are not finite", file,
                kName);
  return latents;
}

std::int64_t count_interpolated(const LatentArguments& a, std::int64_t ends, bool is_animated,
                                std::int64_t max) {
  if (a.interpolate == 0 && (a.path != "auto" || a.loop))
    throw Error(ExitCode::kUsage, "--path and --loop are for --interpolate: add it");
  if (a.loop && !is_animated)
    throw Error(ExitCode::kUsage,
                "--loop is for frames: name a GIF or numbered PNGs (-o 'frames/%04d.png')");
  std::int64_t n = ends;
  if (a.interpolate != 0) {
    if (a.interpolate < kMinWalkSteps || a.interpolate > kMaxWalkSteps || ends < 2)
      throw Error(ExitCode::kUsage,
                  "--interpolate {}: it needs from {} to {} steps and at least 2 {}", a.interpolate,
                  kMinWalkSteps, kMaxWalkSteps, a.file.empty() ? "seeds" : "latent vectors");
    n = is_animated ? count_walk_frames(ends, a.interpolate, a.loop) : (ends - 1) * a.interpolate;
  }
  if (n > max)
    throw Error(ExitCode::kUsage, "{} latent vectors make {} samples; the maximum is {}", ends, n,
                max);
  return n;
}

at::Tensor interpolate_ends(const LatentArguments& a, const at::Tensor& ends,
                            const SavedModel& saved, bool is_animated) {
  if (ends.size(1) != saved.options.latent)
    throw Error(ExitCode::kData,
                "{}: its latent vectors have {} elements, but those of {} have {}; name a file of "
                "the same model",
                a.file, ends.size(1), saved.file.string(), saved.options.latent);
  if (a.interpolate == 0) return ends;
  return walk_ends(a, ends, requested_path(a, saved), is_animated);
}

at::Tensor walk_ends(const LatentArguments& a, const at::Tensor& ends, LatentPath path,
                     bool is_animated) {
  return is_animated ? walk_frames(ends, a.interpolate, path, a.loop)
                     : walk_rows(ends, a.interpolate, path);
}

}  // namespace valley::app
