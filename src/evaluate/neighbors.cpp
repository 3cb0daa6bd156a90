#include "evaluate/neighbors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/kthvalue.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kRowsPerUnit = 256;

// Points rounded to integer multiples of a step, small enough for exact sums of products in double
// precision in any order. Equal distances then compare equal on every host, and a copy of an image
// has distance 0.
struct Points {
  Points(const at::Tensor& features, double step)
      : values((features.to(at::kDouble) / step).round()), squares(values.square().sum(1)) {}
  at::Tensor values;   // [n, F]: integers
  at::Tensor squares;  // [n]: squared norms
};

// The step, a power of two: four times the sum of F squared multiples, which bounds |a - b|^2,
// stays below 2^53.
double exact_step(const at::Tensor& real, const std::vector<at::Tensor>& others) {
  constexpr int kDoubleBits = 53;
  double largest = real.abs().max().item<double>();
  for (const at::Tensor& other : others)
    largest = std::max(largest, other.abs().max().item<double>());
  if (!(largest > 0)) return 1;
  const double features = static_cast<double>(real.size(1));
  const int bits = (kDoubleBits - 2 - static_cast<int>(std::ceil(std::log2(features)))) / 2;
  return std::ldexp(1.0, static_cast<int>(std::ceil(std::log2(largest))) - bits);
}

// Squared distances of rows [first, first + n) of `a` to all of `b`: [n, M].
at::Tensor squared_distances(const Points& a, std::int64_t first, std::int64_t n, const Points& b) {
  const at::Tensor sums = a.squares.narrow(0, first, n).unsqueeze(1) + b.squares.unsqueeze(0);
  return at::addmm(sums, a.values.narrow(0, first, n), b.values.t(), 1.0, -2.0);
}

}  // namespace

std::vector<Neighborhood> neighborhoods(const Team& team, const at::Tensor& real,
                                        const std::vector<at::Tensor>& others) {
  VALLEY_CHECK(real.size(0) > kNeighbors);
  const double step = exact_step(real, others);
  const Points base(real, step);
  std::vector<Points> sets;
  for (const at::Tensor& other : others) sets.emplace_back(other, step);
  const std::int64_t rows = real.size(0);
  const std::int64_t units = (rows + kRowsPerUnit - 1) / kRowsPerUnit;
  // Per set, the number of (sample, ball) pairs and of balls with samples. Sums of integers are
  // exact.
  const at::Tensor counts =
      at::zeros({units, static_cast<std::int64_t>(2 * sets.size())}, at::kLong);
  for_each_unit(team, "neighbors", team.share(units), [&](std::int64_t unit) {
    const std::int64_t first = unit * kRowsPerUnit;
    const std::int64_t n = std::min(kRowsPerUnit, rows - first);
    const at::Tensor among_real = squared_distances(base, first, n, base);
    const at::Tensor radii = std::get<0>(at::kthvalue(among_real, kNeighbors + 1, 1, true));
    for (std::size_t s = 0; s < sets.size(); ++s) {
      const at::Tensor inside = squared_distances(base, first, n, sets[s]).lt(radii);
      auto* count = counts.mutable_data_ptr<std::int64_t>() + unit * counts.size(1) +
                    static_cast<std::int64_t>(2 * s);
      count[0] = inside.sum().item<std::int64_t>();
      count[1] = inside.any(1).sum().item<std::int64_t>();
    }
  });
  at::Tensor total = counts.sum(0);
  team.ranks->all_reduce(total, ReduceOp::kSum)->wait();
  std::vector<Neighborhood> result;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const auto* count = total.const_data_ptr<std::int64_t>() + 2 * s;
    const auto samples = static_cast<double>(others[s].size(0));
    result.push_back({static_cast<double>(count[0]) / (static_cast<double>(kNeighbors) * samples),
                      static_cast<double>(count[1]) / static_cast<double>(rows)});
  }
  return result;
}

}  // namespace valley
