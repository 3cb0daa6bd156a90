// Names of metrics in stats.jsonl, TensorBoard and reports.
#pragma once

namespace valley::metric {

// Reported by objectives. Means over the global batch.
inline constexpr const char* kRealEnergy = "energy/real";
inline constexpr const char* kFakeEnergy = "energy/fake";  // generated images, or ends of chains
inline constexpr const char* kMismatchEnergy = "energy/mismatch";  // real images, wrong classes
inline constexpr const char* kEnergyGap = "energy/gap";            // fake - real
inline constexpr const char* kChainSlope = "chain/gradient_norm";  // to the pixels, along chains
inline constexpr const char* kMargin = "margin";
inline constexpr const char* kActiveHinge = "hinge/active";  // share of samples with a loss above 0
inline constexpr const char* kControl = "k";                 // BEGAN's k
inline constexpr const char* kConvergence = "M";             // Objective::convergence

// Prefixes; a network's name follows: "D", "G" or its own.
inline constexpr const char* kGradientNormOf = "grad_norm/";
inline constexpr const char* kLearningRateOf = "lr/";

// Speed and memory.
inline constexpr const char* kImagesPerSecond = "images_per_s";
inline constexpr const char* kDataWait = "data_wait_ms";        // per step
inline constexpr const char* kExposedComm = "comm_exposed_ms";  // per step
inline constexpr const char* kUtilization = "mfu";  // model FLOP/s over the peak of all ranks
inline constexpr const char* kPeakMemory = "peak_memory_mb";  // MiB

// Times of the ranks per step: median and maximum over ranks (run/step_times.h).
inline constexpr const char* kSlowestRank = "rank/slowest";
inline constexpr const char* kRankSpread = "rank/spread";
inline constexpr const char* kRankCompute = "rank/compute_ms";
inline constexpr const char* kMaxRankCompute = "rank/compute_max_ms";
inline constexpr const char* kRankData = "rank/data_ms";
inline constexpr const char* kMaxRankData = "rank/data_max_ms";
inline constexpr const char* kRankWait = "rank/wait_ms";
inline constexpr const char* kMaxRankWait = "rank/wait_max_ms";

// Mean pairwise distances of sample grids.
inline constexpr const char* kFakeDistance = "distance/fake";
inline constexpr const char* kRealDistance = "distance/real";
inline constexpr const char* kRawDistance = "distance/raw";  // without the moving average

// Metrics of single images: Objective::measure.
inline constexpr const char* kFreeEnergy = "free_energy";
inline constexpr const char* kImageEnergy = "image_energy";
inline constexpr const char* kPseudoLikelihood = "pseudo_likelihood";
inline constexpr const char* kReconstructionError = "reconstruction_error";
inline constexpr const char* kCrossEntropy = "cross_entropy";
inline constexpr const char* kClassError = "error";

}  // namespace valley::metric
