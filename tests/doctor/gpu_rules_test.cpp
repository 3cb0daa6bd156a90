#include "doctor/gpu_rules.h"

#include <gtest/gtest.h>

#include "collected.h"

namespace valley::doctor {
namespace {

constexpr std::int64_t kGibibyte = std::int64_t{1} << 30;
const GpuBuild kBuild{true, 13000, {"80", "90", "100"}};

Gpu hopper() { return {"NVIDIA H100", 9, 0, 80 * kGibibyte, 79 * kGibibyte, true, 0, 0}; }

GpuFacts one_gpu() { return {true, "580.65.06", 13000, false, "", {hopper()}}; }

Checkup judge_gpu_facts(const GpuFacts& facts, const GpuBuild& build = kBuild) {
  return collected([&](const Notes& notes) { judge_gpus(facts, build, notes); });
}

bool all_ok(const Checkup& checkup) {
  for (const Finding& f : checkup.findings) {
    if (f.status != Status::kOk) return false;
  }
  return !checkup.findings.empty();
}

TEST(GpuRules, MinDriverVersionFollowsFromCuda) {
  EXPECT_EQ(min_driver_version(13000), "580");
  EXPECT_EQ(min_driver_version(13010), "580");
  EXPECT_EQ(min_driver_version(12080), "525");
  EXPECT_EQ(min_driver_version(99000), "");
}

TEST(GpuRules, BinaryCodeRunsOnTheSameMajor) {
  EXPECT_TRUE(architecture_runs({"80-real"}, 8, 0));
  EXPECT_TRUE(architecture_runs({"80-real"}, 8, 6));
  EXPECT_FALSE(architecture_runs({"86-real"}, 8, 0));
  EXPECT_FALSE(architecture_runs({"80-real"}, 9, 0));
}

TEST(GpuRules, PtxRunsOnNewerGpus) {
  EXPECT_TRUE(architecture_runs({"80", "90", "100"}, 12, 0));
  EXPECT_TRUE(architecture_runs({"90-virtual"}, 10, 0));
  EXPECT_FALSE(architecture_runs({"80", "90", "100"}, 7, 5));
  EXPECT_FALSE(architecture_runs({"90-virtual"}, 8, 0));
  EXPECT_FALSE(architecture_runs({}, 9, 0));
}

TEST(GpuRules, ArchitectureSpecificCodeRunsOnThatGpuOnly) {
  EXPECT_TRUE(architecture_runs({"90a"}, 9, 0));
  EXPECT_FALSE(architecture_runs({"90a"}, 10, 0));
}

TEST(GpuRules, HostWithoutGpusTrainsOnCpus) {
  const Checkup checkup = judge_gpu_facts({});
  EXPECT_TRUE(all_ok(checkup));
  EXPECT_NE(checkup.findings[0].value.find("CPUs"), std::string::npos);
}

TEST(GpuRules, UsableGpuIsOk) {
  const Checkup checkup = judge_gpu_facts(one_gpu());
  EXPECT_TRUE(all_ok(checkup));
  EXPECT_EQ(named(checkup, "driver").metrics.at("gpus"), 1);
  EXPECT_NE(named(checkup, "GPU 0").value.find("NVIDIA H100"), std::string::npos);
}

TEST(GpuRules, OldDriverIsAFailureWithRequiredVersion) {
  GpuFacts facts = one_gpu();
  facts.kernel_driver = "535.104.05";
  facts.driver_cuda = 12020;
  facts.gpus.clear();
  const Finding driver = named(judge_gpu_facts(facts), "driver");
  EXPECT_EQ(driver.status, Status::kFailure);
  EXPECT_EQ(driver.code, ExitCode::kConfig);
  EXPECT_NE(driver.value.find("535.104.05"), std::string::npos);
  EXPECT_NE(driver.advice.find("580"), std::string::npos);
  EXPECT_NE(driver.advice.find("13.0"), std::string::npos);
}

TEST(GpuRules, CompatibilityPackageAllowsOldDriver) {
  GpuFacts facts = one_gpu();
  facts.kernel_driver = "570.10";
  EXPECT_TRUE(all_ok(judge_gpu_facts(facts)));
}

TEST(GpuRules, UnusableGpuIsAFailureWithReason) {
  GpuFacts facts = one_gpu();
  facts.gpus.clear();
  facts.error = "unknown error (cudaErrorUnknown)";
  const Finding gpus = named(judge_gpu_facts(facts), "GPUs");
  EXPECT_EQ(gpus.status, Status::kFailure);
  EXPECT_NE(gpus.value.find("cudaErrorUnknown"), std::string::npos);
}

TEST(GpuRules, HiddenGpusAreAWarning) {
  GpuFacts facts = one_gpu();
  facts.gpus.clear();
  facts.hidden = true;
  EXPECT_EQ(named(judge_gpu_facts(facts), "GPUs").status, Status::kWarning);
}

TEST(GpuRules, MissingArchitectureIsAFailure) {
  GpuFacts facts = one_gpu();
  facts.gpus[0].major = 7;
  facts.gpus[0].minor = 5;
  const Finding gpu = named(judge_gpu_facts(facts), "GPU 0");
  EXPECT_EQ(gpu.status, Status::kFailure);
  EXPECT_NE(gpu.advice.find("-DCMAKE_CUDA_ARCHITECTURES=75"), std::string::npos);
}

TEST(GpuRules, GpuInUseIsAWarning) {
  GpuFacts facts = one_gpu();
  facts.gpus[0].free_bytes = 10 * kGibibyte;
  EXPECT_EQ(named(judge_gpu_facts(facts), "GPU 0").status, Status::kWarning);
}

TEST(GpuRules, LinksAreClassified) {
  GpuFacts facts = one_gpu();
  facts.gpus.push_back(hopper());
  EXPECT_EQ(named(judge_gpu_facts(facts), "links").status, Status::kWarning);
  for (Gpu& gpu : facts.gpus) gpu.peers = 1;
  EXPECT_NE(named(judge_gpu_facts(facts), "links").value.find("PCIe"), std::string::npos);
  for (Gpu& gpu : facts.gpus) gpu.fast_peers = 1;
  EXPECT_NE(named(judge_gpu_facts(facts), "links").value.find("NVLink"), std::string::npos);
}

TEST(GpuRules, BuildWithoutCudaOnHostWithGpuIsAWarning) {
  const Finding gpus = named(judge_gpu_facts(one_gpu(), {}), "GPUs");
  EXPECT_EQ(gpus.status, Status::kWarning);
  EXPECT_NE(gpus.advice.find("-DVALLEY_CUDA=ON"), std::string::npos);
  EXPECT_TRUE(all_ok(judge_gpu_facts({}, {})));
}

}  // namespace
}  // namespace valley::doctor
