// Restoration of one batch of images, and the measurement of the result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/restore/damage.h"
#include "app/restore/inputs.h"
#include "app/restore/report.h"
#include "inference/image_energy.h"
#include "inference/restorer.h"

namespace valley::app {

inline constexpr std::size_t kMaxRestoreBatch = 64;

class BatchRestorer {
 public:
  // Keeps references to all arguments. `strip`: record the trajectories.
  BatchRestorer(const ImageEnergy& energy, const Restorer& restorer, const NamedImages& inputs,
                const DamagedSet& damaged, std::uint64_t seed, bool strip)
      : energy_(energy),
        restorer_(restorer),
        inputs_(inputs),
        set_(damaged),
        seed_(seed),
        strip_(strip) {}

  // Adds images [first, first + n), whose positions must be consecutive, to `result`. Error kData
  // for an energy that is not finite.
  void restore(std::int64_t first, std::int64_t n, Restoration& result) const;

 private:
  [[nodiscard]] const std::string& name(std::int64_t i) const {
    return inputs_.names[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] std::vector<double> finite_energies(const at::Tensor& images,
                                                    const std::string& what,
                                                    std::int64_t first) const;
  void keep_fit(const RestoreTask& task, const LatentFit& fit, Restoration& result) const;
  void measure(const RestoreTask& task, const at::Tensor& restored, std::int64_t first,
               Restoration& result) const;
  [[nodiscard]] Version compare(const at::Tensor& pixels, std::int64_t row, double energy) const;

  const ImageEnergy& energy_;
  const Restorer& restorer_;
  const NamedImages& inputs_;
  const DamagedSet& set_;
  std::uint64_t seed_;
  bool strip_;
};

}  // namespace valley::app
