#include "comm/device_assignment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "comm/host_gpus.h"
#include "core/error.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

using Gpus = std::vector<std::string>;

RankDevices rank_with(const std::string& host, const Gpus& gpus) {
  return {host, /*built_with_cuda=*/true, /*shares_gpus=*/false, gpus, ""};
}

std::string assignment_error(DeviceChoice choice, const std::vector<RankDevices>& ranks) {
  try {
    static_cast<void>(assign_gpus(choice, ranks));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    return error.what();
  }
  return "(not refused)";
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(AssignGpus, AutoSelectsTheCpuWhenNoGpuIsVisible) {
  EXPECT_TRUE(assign_gpus(DeviceChoice::kAuto, {rank_with("a", {}), rank_with("b", {})}).empty());
}

TEST(AssignGpus, UnusableGpuIsRejectedForAuto) {
  RankDevices old = rank_with("b", {});
  old.obstacle = "its driver is too old";
  const std::string error = assignment_error(DeviceChoice::kAuto, {rank_with("a", {}), old});
  expect_part(error, "rank 1 on host b cannot use the host's GPU: its driver is too old");
  expect_part(error, "train.device=cpu");
  expect_part(assignment_error(DeviceChoice::kCuda, {old}), "its driver is too old");
  EXPECT_TRUE(assign_gpus(DeviceChoice::kCpu, {rank_with("a", {}), old}).empty());
}

TEST(HostOffersGpus, FindsDeviceFilesUnlessTheyAreHidden) {
  const TemporaryFolder folder;
  EXPECT_FALSE(host_offers_gpus(folder.path()));
  EXPECT_FALSE(host_offers_gpus(folder / "missing"));
  put_file(folder / "nvidiactl", "");
  EXPECT_FALSE(host_offers_gpus(folder.path()));
  put_file(folder / "nvidia0", "");
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_TRUE(host_offers_gpus(folder.path()));
  for (const char* hides_all : {"", "-1"}) {
    ::setenv("CUDA_VISIBLE_DEVICES", hides_all, 1);
    EXPECT_FALSE(host_offers_gpus(folder.path()));
  }
  ::setenv("CUDA_VISIBLE_DEVICES", "0", 1);
  EXPECT_TRUE(host_offers_gpus(folder.path()));
  ::unsetenv("CUDA_VISIBLE_DEVICES");
}

TEST(AssignGpus, CpuIsSelectedOnRequest) {
  EXPECT_TRUE(assign_gpus(DeviceChoice::kCpu, {rank_with("a", {"x"})}).empty());
}

TEST(AssignGpus, OneRankGetsTheFirstGpu) {
  EXPECT_EQ(assign_gpus(DeviceChoice::kAuto, {rank_with("a", {"x", "y"})}), std::vector<int>{0});
}

TEST(AssignGpus, RanksOfAHostGetOneGpuEachInOrder) {
  const Gpus a = {"a0", "a1"};
  const Gpus b = {"b0", "b1"};
  EXPECT_EQ(assign_gpus(DeviceChoice::kCuda, {rank_with("a", a), rank_with("b", b),
                                              rank_with("a", a), rank_with("b", b)}),
            (std::vector<int>{0, 0, 1, 1}));
}

TEST(AssignGpus, RanksWithOneVisibleGpuGetThatOne) {
  EXPECT_EQ(assign_gpus(DeviceChoice::kAuto, {rank_with("a", {"x"}), rank_with("a", {"y"})}),
            (std::vector<int>{0, 0}));
}

TEST(AssignGpus, MoreRanksThanGpusAreRejectedWithAdvice) {
  const auto r = rank_with("node7", {"x", "y"});
  for (const DeviceChoice choice : {DeviceChoice::kAuto, DeviceChoice::kCuda}) {
    const std::string message = assignment_error(choice, {r, r, r});
    expect_part(message, "3 ranks on host node7, which has 2 GPUs");
    expect_part(message, "mpirun -n 2");
    expect_part(message, "or set train.device=cpu");
    expect_part(message, "VALLEY_SHARE_GPU=1");
  }
}

TEST(AssignGpus, OneGpuVisibleToTwoRanksIsRejected) {
  const std::string message =
      assignment_error(DeviceChoice::kAuto, {rank_with("a", {"x"}), rank_with("a", {"x"})});
  expect_part(message, "2 ranks on host a, which has 1 GPU for them");
}

TEST(AssignGpus, FunctionalTestsMayShareGpus) {
  RankDevices r = rank_with("a", {"x", "y"});
  r.shares_gpus = true;
  EXPECT_EQ(assign_gpus(DeviceChoice::kAuto, {r, r, r}), (std::vector<int>{0, 1, 0}));
}

TEST(ShareGpus, IsEnabledByOne) {
  EXPECT_FALSE(asked_to_share_gpus(nullptr));
  EXPECT_FALSE(asked_to_share_gpus(""));
  EXPECT_FALSE(asked_to_share_gpus("0"));
  EXPECT_TRUE(asked_to_share_gpus("1"));
  EXPECT_THROW(static_cast<void>(asked_to_share_gpus("yes")), Error);
}

TEST(ShareGpus, RanksThatShareGpusHaveDifferentNcclHostIds) {
  RankDevices r = rank_with("a", {"x", "y"});
  r.shares_gpus = true;
  const std::vector<RankDevices> three = {r, r, r};
  const std::vector<int> gpus = assign_gpus(DeviceChoice::kAuto, three);
  std::set<std::string> ids;
  for (int rank = 0; rank < 3; ++rank) ids.insert(nccl_host_id(three, gpus, rank));
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_FALSE(ids.contains(""));
}

TEST(ShareGpus, RanksWithOwnGpusHaveNoNcclHostId) {
  RankDevices a = rank_with("a", {"x", "y"});
  a.shares_gpus = true;
  const std::vector<RankDevices> two = {a, a};
  EXPECT_EQ(nccl_host_id(two, assign_gpus(DeviceChoice::kAuto, two), 1), "");
  // The same name of a GPU on another host is another GPU.
  const std::vector<RankDevices> apart = {rank_with("a", {"x"}), rank_with("b", {"x"})};
  EXPECT_EQ(nccl_host_id(apart, assign_gpus(DeviceChoice::kAuto, apart), 1), "");
  EXPECT_EQ(nccl_host_id({rank_with("a", {})}, {}, 0), "");
}

TEST(AssignGpus, MixedHostsWithAndWithoutGpusAreRejected) {
  const std::string message =
      assignment_error(DeviceChoice::kAuto, {rank_with("a", {"x"}), rank_with("b", {})});
  expect_part(message, "rank 1 on host b sees no GPU, but rank 0 on host a does");
}

TEST(AssignGpus, RequestForMissingGpusIsRejected) {
  expect_part(assignment_error(DeviceChoice::kCuda, {rank_with("a", {})}),
              "GPUs were asked for, but rank 0 on host a sees none");
  RankDevices cpu_build = rank_with("a", {});
  cpu_build.built_with_cuda = false;
  expect_part(assignment_error(DeviceChoice::kCuda, {cpu_build}), "was built without CUDA");
}

TEST(RankDevices, RoundTripThroughText) {
  for (const Gpus& gpus : {Gpus{}, Gpus{"0a1b", "ffee"}}) {
    const RankDevices sent{"host.name", true, false, gpus, gpus.empty() ? "an old driver" : ""};
    const RankDevices got = RankDevices::from_text(sent.to_text());
    EXPECT_EQ(got.host, sent.host);
    EXPECT_EQ(got.built_with_cuda, true);
    EXPECT_EQ(got.shares_gpus, false);
    EXPECT_EQ(got.gpus, gpus);
    EXPECT_EQ(got.obstacle, sent.obstacle);
  }
  EXPECT_TRUE(RankDevices::from_text(RankDevices{"h", false, true, {}, ""}.to_text()).shares_gpus);
}

}  // namespace
}  // namespace valley
