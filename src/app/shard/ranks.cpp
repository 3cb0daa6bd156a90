#include "app/shard/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "core/hash.h"
#include "data/build_parameters.h"
#include "data/ranked_build.h"

namespace valley::app {
namespace {

class WorldRanks final : public BuildRanks {
 public:
  explicit WorldRanks(World& world) : world_(world) {}
  [[nodiscard]] int rank() const override { return world_.rank(); }
  [[nodiscard]] int size() const override { return world_.size(); }
  [[nodiscard]] std::vector<std::string> gather(const std::string& text) override {
    return world_.gather(text);
  }
  [[nodiscard]] std::string broadcast(const std::string& text) override {
    return world_.broadcast(text);
  }

 private:
  World& world_;
};

}  // namespace

std::unique_ptr<World> join_builders() {
  // World::join rejects tasks of srun that cannot find each other and would each build alone.
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  const bool has_other_tasks = tasks != nullptr && std::atoi(tasks) > 1;
  if (launch_info().size == 1 && !has_other_tasks) return nullptr;
  return World::join(DeviceChoice::kCpu);
}

unsigned default_jobs(World* world) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  if (world == nullptr) return cores;
  return std::max(1U, cores / static_cast<unsigned>(world->host().local_size()));
}

std::optional<BuildReport> build_on(World* world, const ImageSource& source,
                                    const BuildOptions& options) {
  if (world == nullptr) return build_dataset(source, options);
  world->require_equal("the source of valley shard build or an option",
                       build_parameters(source, options));
  WorldRanks ranks(*world);
  return build_dataset_on_ranks(source, options, ranks,
                                fmt::format("{}.{}", host_name(), ::getpid()));
}

}  // namespace valley::app
