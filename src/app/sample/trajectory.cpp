#include "app/sample/trajectory.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/chain_strip.h"
#include "app/options.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "storage/safetensors.h"

namespace valley::app {
namespace {

constexpr std::int64_t kMaxColumns = 1000;
constexpr std::size_t kMaxRecordedChains = 256;

std::string chain_name(const ChainName& chain) {
  return chain.label ? fmt::format("class {}, seed {}", *chain.label, chain.seed)
                     : fmt::format("seed {}", chain.seed);
}

std::string to_jsonl(const std::vector<Trajectory>& pieces, const std::vector<ChainName>& chains) {
  std::string lines;
  std::size_t row = 0;
  for (const Trajectory& t : pieces) {
    for (std::int64_t chain = 0; chain < t.energies.size(1); ++chain, ++row) {
      for (std::size_t i = 0; i < t.steps.size(); ++i) {
        const double energy = t.energies[static_cast<std::int64_t>(i)][chain].item<double>();
        nlohmann::json line = {
            {"seed", chains[row].seed}, {"step", t.steps[i]}, {"energy", energy}};
        if (chains[row].label) line["label"] = *chains[row].label;
        lines += write_json(line) + "\n";
      }
    }
  }
  return lines;
}

// images [chains, T, H, W, C] as bytes, energies [chains, T], steps [T], seeds [chains].
void write_tensors(const std::string& file, const std::vector<Trajectory>& pieces,
                   const std::vector<ChainName>& chains) {
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> energies;
  for (const Trajectory& t : pieces) {
    images.push_back((t.images * 256).clamp(0, 255).to(at::kByte).permute({1, 0, 3, 4, 2}));
    energies.push_back(t.energies.t());
  }
  std::vector<std::int64_t> seeds;
  for (const ChainName& chain : chains) seeds.push_back(static_cast<std::int64_t>(chain.seed));
  write_safetensors(file, {{{"images", at::cat(images).contiguous()},
                            {"energies", at::cat(energies).contiguous()},
                            {"steps", at::tensor(pieces.front().steps, at::kLong)},
                            {"seeds", at::tensor(seeds, at::kLong)}},
                           {}});
}

}  // namespace

void add_trajectory_options(CLI::App& command, TrajectoryArguments& a) {
  command
      .add_option("--trajectory", a.png,
                  "Also draw the chains over their steps: one row per chain, with energies")
      ->check(png_name())
      ->type_name("FILE.png");
  command
      .add_option("--columns", a.columns,
                  "Number of steps to record with --trajectory and --trajectory-out")
      ->transform(number_range<std::int64_t>(2, kMaxColumns))
      ->capture_default_str();
  command
      .add_option("--trajectory-out", a.file,
                  "Also write the energies (.jsonl), or energies and images (.safetensors)")
      ->type_name("FILE");
}

void check_trajectory(const TrajectoryArguments& a, const std::vector<std::string>& other_outputs) {
  if (!a.file.empty() && !a.file.ends_with(".jsonl") && !a.file.ends_with(".safetensors"))
    throw Error(ExitCode::kUsage,
                "--trajectory-out {}: the format follows from the file extension: use .jsonl or "
                ".safetensors",
                a.file);
  std::vector<std::string> outputs = other_outputs;
  for (const std::string& file : {a.png, a.file}) {
    if (file.empty()) continue;
    if (std::find(outputs.begin(), outputs.end(), file) != outputs.end())
      throw Error(ExitCode::kUsage, "two outputs name the same file, {}", file);
    require_writable(file);
    outputs.push_back(file);
  }
}

void require_recordable(const TrajectoryArguments& a, std::size_t chains) {
  if (a.is_requested() && chains > kMaxRecordedChains)
    throw Error(ExitCode::kUsage,
                "a trajectory holds at most {} chains, but there are {}; take fewer --seeds",
                kMaxRecordedChains, chains);
}

void write_trajectories(const TrajectoryArguments& a, const std::vector<Trajectory>& pieces,
                        const std::vector<ChainName>& chains) {
  if (!a.png.empty()) {
    std::vector<std::string> names;
    for (const ChainName& chain : chains) names.push_back(chain_name(chain));
    write_chain_strip(a.png, pieces, names);
  }
  if (a.file.empty()) return;
  if (a.file.ends_with(".jsonl")) {
    write_file(a.file, to_jsonl(pieces, chains));
  } else {
    write_tensors(a.file, pieces, chains);
  }
}

}  // namespace valley::app
