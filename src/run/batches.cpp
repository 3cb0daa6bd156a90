#include "run/batches.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "data/host_cache.h"
#include "kernels/device.h"
#include "kernels/out_of_memory.h"
#include "plan/plan_report.h"

namespace valley {
namespace {

CacheRoom room_for(World& world, const Dataset& dataset, std::int64_t step_bytes) {
  const at::Device device = world.device().device();
  const std::int64_t sharers = device.is_cuda() ? 1 : world.host().local_size();
  const std::int64_t all = cached_bytes(dataset);
  const std::int64_t part = world.size() > 1 ? all / world.size() : 0;
  return {all + part, step_bytes, device_memory(device).free / sharers};
}

CacheRoom host_room(World& world, const Dataset& dataset, std::int64_t used_bytes) {
  const bool computes_on_host = world.device().device().is_cpu();
  return {static_cast<std::int64_t>(dataset.size() * dataset.image_bytes()),
          computes_on_host ? used_bytes * world.host().local_size() : 0,
          device_memory(at::kCPU).free};
}

HostRanks host_ranks(World& world) {
  HostRanks ranks;
  ranks.rank = world.host().local_rank();
  ranks.size = world.host().local_size();
  ranks.from_first = [&world](const std::string& text) {
    const std::string prefix = host_name() + "\n";
    for (const std::string& from : world.gather(prefix + text))
      if (from.starts_with(prefix) && from.size() > prefix.size())
        return from.substr(prefix.size());
    throw Error(ExitCode::kInternal, "{}: its host has no first rank", this_rank());
  };
  ranks.barrier = [&world] { world.host().barrier(); };
  return ranks;
}

std::shared_ptr<const Dataset> cached_on_host(World& world,
                                              const std::shared_ptr<const Dataset>& dataset) {
  const auto begin = std::chrono::steady_clock::now();
  std::shared_ptr<const Dataset> cached = cache_on_host(dataset, host_ranks(world));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  log::info("cached the {} images of the data set ({}) once per host, read in {:.1f} s",
            dataset->size(),
            format_bytes(static_cast<std::int64_t>(dataset->size() * dataset->image_bytes())),
            seconds.count());
  return cached;
}

bool all_ranks_cache(World& world, Switch choice, const Dataset& dataset, std::int64_t step_bytes) {
  if (choice == Switch::kOff) return false;
  const bool own =
      is_cached(choice, room_for(world, dataset, step_bytes), world.device().device().str());
  const std::vector<std::string> answers = world.gather(own ? "yes" : "no");
  return std::ranges::find(answers, "no") == answers.end();
}

// Raw images need one thread; decoding takes much longer than reading.
std::int64_t loader_threads(World& world, const Experiment& experiment, const Dataset& dataset) {
  constexpr int kMaxByDefault = 16;
  if (!dataset.is_encoded()) return 1;
  return experiment.data.decode_threads.value_or(
      std::min(kMaxByDefault, threads_for_rank(world.host().local_size())));
}

}  // namespace

bool is_cached(Switch choice, const CacheRoom& room, const std::string& device) {
  if (choice == Switch::kOff) return false;
  const std::int64_t left = room.free - room.step;
  if (choice == Switch::kAuto) return room.pixels <= left / 2;
  if (room.pixels <= left) return true;
  throw Error(ExitCode::kConfig,
              "performance.device_cache = \"on\": the data set ({}) does not fit into the memory "
              "that is free for this rank ({} on {}), of which a step takes about {}; set it to "
              "\"auto\" or \"off\"",
              format_bytes(room.pixels), format_bytes(room.free), device, format_bytes(room.step));
}

void require_host_room(const CacheRoom& room, const std::string& host) {
  if (room.pixels <= room.free - room.step) return;
  throw Error(ExitCode::kConfig,
              "data.cache = \"host\": the data set ({}) does not fit into the memory of host {}, "
              "where {} are free and its ranks need about {}; set data.cache to \"none\": the page "
              "cache of the host then keeps what fits",
              format_bytes(room.pixels), host, format_bytes(room.free), format_bytes(room.step));
}

void require_cache_room(World& world, const Experiment& experiment, const Dataset& dataset,
                        std::int64_t used_bytes) {
  const at::Device device = world.device().device();
  if (experiment.data.cache == DataCache::kGpu && !device.is_cuda())
    throw Error(ExitCode::kConfig,
                "data.cache = \"gpu\": the run computes on CPUs; set it to \"host\" or \"auto\"");
  const Switch choice = experiment.device_cache_on(device.type());
  if (choice == Switch::kOn)
    static_cast<void>(is_cached(choice, room_for(world, dataset, used_bytes), device.str()));
  if (experiment.data.cache == DataCache::kHost && world.host().local_rank() == 0)
    require_host_room(host_room(world, dataset, used_bytes), host_name());
  world.host().barrier();
}

RunBatches::RunBatches(World& world, const Experiment& experiment,
                       const std::shared_ptr<const Dataset>& dataset, std::int64_t first_step,
                       std::int64_t step_bytes) {
  const at::Device device = world.device().device();
  LoaderOptions options;
  options.global_batch = experiment.train.global_batch;
  options.rank = world.rank();
  options.ranks = world.size();
  options.first_step = first_step;
  options.threads = loader_threads(world, experiment, *dataset);
  options.verify = experiment.data.verify;
  options.pinned = device.is_cuda();
  const Order order(experiment.seed(), dataset->order_parts(), experiment.data.order);
  if (!all_ranks_cache(world, experiment.device_cache_on(device.type()), *dataset, step_bytes)) {
    loader_ = std::make_unique<Loader>(
        experiment.data.cache == DataCache::kHost ? cached_on_host(world, dataset) : dataset, order,
        options);
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  try {
    DeviceCache::Gather gather;
    if (world.size() > 1) {
      gather = [&world](const at::Tensor& share, const at::Tensor& all) {
        world.device().all_gather(share, all)->wait();
      };
    }
    cache_ = std::make_unique<DeviceCache>(dataset, order, options, device, gather);
  } catch (const std::exception& error) {
    const auto text = out_of_memory_text(error);
    if (!text) throw;
    throw Error(ExitCode::kOutOfMemory,
                "{}: {} while copying the data set to {} ({}); set "
                "performance.device_cache=off",
                this_rank(), *text, device.str(), format_bytes(cached_bytes(*dataset)));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  log::info_every_rank("{}: cached the {} images of the data set ({}), read in {:.1f} s",
                       device.str(), dataset->size(), format_bytes(cached_bytes(*dataset)),
                       seconds.count());
}

}  // namespace valley
