// Peak speed of a device, to which model FLOP/s utilization (MFU) is relative.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "experiment/experiment.h"

namespace valley {

// Dense FLOP/s of a GPU by its vendor's data sheet, for products of `precision` (not kAuto);
// nullopt for GPUs that are not in the table, for parts of a GPU (MIG), and for precisions that the
// GPU does not multiply in. `name` as the driver gives it: "NVIDIA H100 80GB HBM3".
[[nodiscard]] std::optional<double> published_peak(const std::string& name,
                                                   TrainingPrecision precision);

struct PeakRate {
  double flops_per_s = 0;
  bool is_published = false;  // otherwise measured
};

// The peak of this rank's device: published for GPUs (nullopt if it is not), for CPUs that of
// matrix products of about `seconds`. Ranks that share a host must measure at the same time, or
// each takes the speed of the cores that the others use.
[[nodiscard]] std::optional<PeakRate> peak_rate(const Experiment& experiment, at::Device device,
                                                double seconds);

}  // namespace valley
