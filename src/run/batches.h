// Source of a run's batches: prefetched from the shards, or gathered from a copy of the data set on
// the device (performance.device_cache). Both give the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "comm/world.h"
#include "data/device_cache.h"
#include "data/loader.h"
#include "experiment/experiment.h"

namespace valley {

// Memory needed and available on the device, bytes.
struct CacheRoom {
  std::int64_t pixels = 0;  // the data set, plus this rank's part while it is gathered
  std::int64_t step = 0;    // estimate for a step's forward and backward passes
  std::int64_t free = 0;    // available to this rank now
};
// True if `choice` (performance.device_cache) makes a cache. "auto": if the data set takes at most
// half of the memory that a step leaves. "on": error kConfig if it does not fit; `device` is for
// the message.
[[nodiscard]] bool is_cached(Switch choice, const CacheRoom& room, const std::string& device);

// Error kConfig if data.cache = "host" needs more memory than `host` has. room.pixels is the data
// set, room.step the need of all ranks of the host.
void require_host_room(const CacheRoom& room, const std::string& host);

// Collective. Error kConfig if performance.device_cache is "on" and a rank's device has no room for
// the data set beside `used_bytes`, the memory of parameters and a step; the same for the memory of
// hosts and data.cache = "host"; and for data.cache = "gpu" on CPUs.
void require_cache_room(World& world, const Experiment& experiment, const Dataset& dataset,
                        std::int64_t used_bytes);

class RunBatches {
 public:
  // Collective. Begins at step `first_step`. `step_bytes`: memory estimate for a step's forward and
  // backward passes. Either all ranks have a cache, of which each reads a part, or none has one.
  RunBatches(World& world, const Experiment& experiment,
             const std::shared_ptr<const Dataset>& dataset, std::int64_t first_step,
             std::int64_t step_bytes);

  // Like Loader::next; pixels and labels are on the host or on the device.
  [[nodiscard]] const Batch& next() { return cache_ ? cache_->next() : loader_->next(); }

  [[nodiscard]] double wait_seconds() const {  // time spent waiting for data
    return loader_ ? loader_->counters().wait_seconds : 0;
  }

 private:
  std::unique_ptr<DeviceCache> cache_;  // null if loader_ is set
  std::unique_ptr<Loader> loader_;
};

}  // namespace valley
