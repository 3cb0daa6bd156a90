#include "app/energy/plots.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "record/captioned_images.h"
#include "record/histogram.h"

namespace valley::app {
namespace {

constexpr std::int64_t kExtremeColumns = 10;
constexpr Color kColours[] = {kBlue, kOrange};

// Images of a set by ascending energy; equal energies in the order of the images.
std::vector<std::uint64_t> sort_by_energy(const EnergySet& set) {
  std::vector<std::uint64_t> order(set.values().size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::uint64_t a, std::uint64_t b) {
    return set.values()[a] < set.values()[b];
  });
  return order;
}

CaptionedImage make_captioned(const EnergySet& set, std::uint64_t i) {
  const at::Tensor pixels = set.images->pixels(i, 1);
  const auto* bytes = pixels.const_data_ptr<std::uint8_t>();
  return {{bytes, bytes + pixels.numel()},
          {fmt::format("{:.5g}", set.values()[i]), fmt::format("#{}", set.images->index(i))}};
}

template <typename Iterator>
CaptionedBlock make_block(const EnergySet& set, const std::string& title, Iterator first,
                          std::int64_t count) {
  CaptionedBlock block{title, {}};
  for (std::int64_t i = 0; i < count; ++i) block.images.push_back(make_captioned(set, *first++));
  return block;
}

}  // namespace

void draw_histogram(const std::string& path, const EnergyReport& report) {
  std::vector<HistogramSet> sets;
  for (const EnergySet& set : report.sets)
    sets.push_back({set.name, set.values(), kColours[sets.size()]});
  write_histogram(path, sets, "E: " + report.energy);
}

void draw_ranking(const std::string& path, const EnergyReport& report, std::int64_t count) {
  std::vector<CaptionedBlock> blocks;
  for (const EnergySet& set : report.sets) {
    const std::vector<std::uint64_t> order = sort_by_energy(set);
    const std::int64_t shown = std::min(count, static_cast<std::int64_t>(order.size()));
    blocks.push_back(make_block(set, set.name + ": lowest energy", order.begin(), shown));
    blocks.push_back(make_block(set, set.name + ": highest energy", order.rbegin(), shown));
  }
  const ImageShape& shape = report.sets.front().images->shape();
  write_captioned(path, blocks, shape.height, shape.width, shape.channels, kExtremeColumns);
}

}  // namespace valley::app
