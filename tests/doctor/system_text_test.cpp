#include "doctor/system_text.h"

#include <gtest/gtest.h>

#include <map>

namespace valley::doctor {
namespace {

constexpr const char* kMounts =
    "22 1 0:21 / /proc rw,relatime - proc proc rw\n"
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
    "30 27 0:25 / /scratch rw,nosuid shared:7 master:2 - lustre 10.0.0.1@o2ib:/fs rw,flock\n"
    "31 27 0:26 / /scratch/my\\040data ro,relatime - nfs4 server:/export/my\\040data rw,vers=4.2\n"
    "32 27 0:27 / /home rw - ext4 /dev/vdb rw\n"
    "33 27 0:28 / /home rw - tmpfs tmpfs rw\n"
    "broken line\n";

TEST(SystemText, DeepestMountIsFound) {
  EXPECT_EQ(find_mount("/", kMounts)->type, "ext4");
  EXPECT_EQ(find_mount("/data/runs", kMounts)->source, "/dev/vda");
  EXPECT_EQ(find_mount("/scratch", kMounts)->type, "lustre");
  EXPECT_EQ(find_mount("/scratch/runs", kMounts)->point, "/scratch");
  EXPECT_EQ(find_mount("/scratchy", kMounts)->type, "ext4");
}

TEST(SystemText, SpacesInMountPointsAreDecoded) {
  const auto mount = find_mount("/scratch/my data/shards", kMounts);
  ASSERT_TRUE(mount.has_value());
  EXPECT_EQ(mount->type, "nfs4");
  EXPECT_EQ(mount->source, "server:/export/my data");
}

TEST(SystemText, LaterMountHidesEarlierOne) {
  EXPECT_EQ(find_mount("/home/a", kMounts)->type, "tmpfs");
}

TEST(SystemText, PathWithoutMountGivesNothing) { EXPECT_FALSE(find_mount("/", "").has_value()); }

TEST(SystemText, ParsesCpuFlags) {
  const std::string text =
      "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 avx512f\n"
      "processor\t: 1\nmodel name\t: Another\nflags\t\t: fpu\n";
  EXPECT_EQ(cpu_model(text), "Some CPU @ 2 GHz");
  EXPECT_EQ(cpu_flags(text), (std::set<std::string>{"fpu", "avx2", "avx512f"}));
  EXPECT_EQ(cpu_flags("Features\t: fp asimd\n"), (std::set<std::string>{"fp", "asimd"}));
  EXPECT_TRUE(cpu_flags("").empty());
}

TEST(SystemText, ParsesNvidiaDriverVersion) {
  EXPECT_EQ(nvidia_driver_version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat "
                                  "Aug 19 01:15:15 UTC 2023\nGCC version:  gcc 12.2.0\n"),
            "535.104.05");
  EXPECT_EQ(nvidia_driver_version("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  "
                                  "580.65.06  Release Build  (dvs-builder)\n"),
            "580.65.06");
  EXPECT_EQ(nvidia_driver_version(""), "");
}

CgroupLimits limits(const std::string& cgroup, const std::map<std::string, std::string>& files) {
  return cgroup_limits(cgroup, [&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  });
}

TEST(SystemText, Cgroup2LimitsAreThoseOfTightestAncestor) {
  const CgroupLimits found = limits("0::/slurm/job_7/step_0\n",
                                    {{"/sys/fs/cgroup/slurm/job_7/memory.max", "8000000000\n"},
                                     {"/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n"},
                                     {"/sys/fs/cgroup/slurm/cpu.max", "max 100000\n"},
                                     {"/sys/fs/cgroup/slurm/job_7/cpu.max", "250000 100000\n"}});
  EXPECT_EQ(found.memory, 8000000000);
  EXPECT_EQ(found.cpus, 2.5);
}

TEST(SystemText, ParsesCgroup1Limits) {
  const CgroupLimits found =
      limits("3:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n",
             {{"/sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "150000\n"},
              {"/sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_period_us", "100000\n"},
              {"/sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "9223372036854771712\n"},
              {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n"}});
  EXPECT_EQ(found.cpus, 1.5);
  EXPECT_EQ(found.memory, 1000000);
}

TEST(SystemText, UnlimitedGroupsHaveNoLimits) {
  const CgroupLimits found =
      limits("0::/\n1:name=systemd:/\n", {{"/sys/fs/cgroup/cpu.max", "max 100000\n"},
                                          {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"}});
  EXPECT_FALSE(found.cpus.has_value());
  EXPECT_FALSE(found.memory.has_value());
}

TEST(SystemText, ParsesCpuLists) {
  EXPECT_EQ(parse_cpu_list("0-3,8\n"), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5"), std::vector<int>{5});
  EXPECT_TRUE(parse_cpu_list("").empty());
}

TEST(SystemText, FormatsBytes) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(1640e6), "1.6 GB");
  EXPECT_EQ(bytes_text(42e9), "42 GB");
}

}  // namespace
}  // namespace valley::doctor
