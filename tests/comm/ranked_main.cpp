#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include "comm/backend.h"
#include "comm/device_assignment.h"
#include "core/error.h"
#include "core/log.h"
#include "ranked_test.h"

namespace valley::testing {
namespace {

World* the_world = nullptr;

// Output of ranks other than 0: only failures.
class FailurePrinter final : public ::testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}
  void OnTestStart(const ::testing::TestInfo& info) override {
    test_ = std::string(info.test_suite_name()) + "." + info.name();
  }
  // GoogleTest holds its lock meanwhile: asking it for the current test would deadlock.
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[%d] %s: %s:%d: %s\n", rank_, test_.c_str(),
                 result.file_name() != nullptr ? result.file_name() : "?", result.line_number(),
                 result.message());
  }

 private:
  int rank_;
  std::string test_;
};

// GPUs where each rank of this host can have one, so that the suite also passes on a host with
// fewer GPUs than ranks.
DeviceChoice devices() {
  const char* local_size = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  const std::size_t needed =
      local_size != nullptr ? static_cast<std::size_t>(std::atoi(local_size)) : 1;
  const bool shared = asked_to_share_gpus(std::getenv("VALLEY_SHARE_GPU"));
  const std::size_t gpus = visible_gpus().size();
  return gpus >= needed || (shared && gpus > 0) ? DeviceChoice::kAuto : DeviceChoice::kCpu;
}

int run() {
  const std::unique_ptr<World> joined = World::join(devices());
  the_world = joined.get();
  if (joined->rank() != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(joined->rank()));
  }
  const int failed_here = RUN_ALL_TESTS();
  const at::Tensor failed = at::full({1}, failed_here, at::kInt);
  joined->host().all_reduce(failed, ReduceOp::kMax)->wait();
  return *failed.const_data_ptr<int>();
}

}  // namespace

World& world() { return *the_world; }

}  // namespace valley::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  // An exception on one rank must end all of them: the others are in a collective.
  GTEST_FLAG_SET(catch_exceptions, false);
  try {
    return valley::testing::run();
  } catch (const std::exception& error) {
    valley::log::error("{}", error.what());
    valley::abort_job(1);
  }
}
