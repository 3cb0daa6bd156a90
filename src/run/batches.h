// Where a run's batches come from: read ahead from the shards, or gathered from a copy of the data
// set that lies on the device (performance.device_cache). The same bits either way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "comm/world.h"
#include "data/device_cache.h"
#include "data/loader.h"
#include "experiment/experiment.h"

namespace valley {

// What a cache has to fit into, bytes.
struct CacheRoom {
  std::int64_t pixels = 0;  // of the data set, and of the part that this rank reads
  std::int64_t step = 0;    // what a step's passes are estimated to take
  std::int64_t free = 0;    // on the device now, of which this rank may have all
};
// True if `choice` (performance.device_cache) makes a cache: "auto" does where the data set takes
// at most half of what a step leaves. Error kConfig for "on" where it does not fit at all; `device`
// is for the message.
[[nodiscard]] bool is_cached(Switch choice, const CacheRoom& room, const std::string& device);

// Collective. Error kConfig where performance.device_cache is "on" and a rank's device has no room
// for the data set beside `used_bytes`, what parameters and a step take.
void require_cache_room(World& world, const Experiment& experiment, const Dataset& dataset,
                        std::int64_t used_bytes);

class RunBatches {
 public:
  // Collective. From step `first_step` on. `step_bytes`: what a step's passes are estimated to
  // take. All ranks have a cache, of which each reads a part, or none has one.
  RunBatches(World& world, const Experiment& experiment,
             const std::shared_ptr<const Dataset>& dataset, std::int64_t first_step,
             std::int64_t step_bytes);

  // As Loader::next; pixels and labels are on the host or on the device.
  [[nodiscard]] const Batch& next() { return cache_ ? cache_->next() : loader_->next(); }

  [[nodiscard]] double wait_seconds() const {  // spent waiting for data that were not there yet
    return loader_ ? loader_->counters().wait_seconds : 0;
  }

 private:
  std::unique_ptr<DeviceCache> cache_;  // one of the two
  std::unique_ptr<Loader> loader_;
};

}  // namespace valley
