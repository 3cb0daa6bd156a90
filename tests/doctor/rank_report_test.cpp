#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "collected.h"
#include "doctor/launch.h"
#include "doctor/rank_probe.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley::doctor {
namespace {

using nlohmann::json;

json place(const std::string& host, const std::string& cpus, int online, double clock = 0) {
  return {{"host", host}, {"cpus", cpus}, {"online", online}, {"threads", 1}, {"clock", clock}};
}

json sum(const std::string& over, int bytes, bool exact) {
  return {{"over", over},
          {"bytes", bytes},
          {"exact", exact},
          {"microseconds", 100.0},
          {"bus_mb_per_s", 1500.0}};
}

std::string report(const json& places, bool exact = true) {
  return json({{"valley_ranks",
                {{"ranks", places.size()},
                 {"mpi", "Open MPI v4.1.4"},
                 {"gpus", false},
                 {"places", places},
                 {"all_reduce", {sum("mpi", 4096, true), sum("mpi", 16 << 20, exact)}}}}})
      .dump();
}

Checkup judge_rank_line(const std::string& line, int expected) {
  return collected([&](const Notes& notes) { judge_ranks(line, expected, "mpirun", notes); });
}

TEST(RankReport, TwoRanksAreReady) {
  const std::string line = report(json::array({place("n1", "0", 2), place("n1", "1", 2)}));
  EXPECT_TRUE(is_rank_report(line));
  const Checkup checkup = judge_rank_line(line, 2);
  EXPECT_EQ(named(checkup, "ranks").value, "2 found each other: 2 on n1");
  EXPECT_EQ(named(checkup, "ranks").metrics.at("ranks"), 2);
  EXPECT_NE(named(checkup, "MPI all-reduce").value.find("1.5 GB/s"), std::string::npos);
  EXPECT_EQ(named(checkup, "binding").status, Status::kOk);
}

TEST(RankReport, FewerRanksThanStartedIsAFailure) {
  const Finding ranks =
      named(judge_rank_line(report(json::array({place("n1", "0", 2)})), 2), "ranks");
  EXPECT_EQ(ranks.status, Status::kFailure);
  EXPECT_EQ(ranks.code, ExitCode::kConfig);
}

TEST(RankReport, WrongSumIsAFailure) {
  const auto places = json::array({place("n1", "0", 2), place("n1", "1", 2)});
  EXPECT_EQ(named(judge_rank_line(report(places, false), 2), "MPI all-reduce").code,
            ExitCode::kRankLost);
}

TEST(RankReport, RanksSharingACoreAreAWarning) {
  const auto places = json::array({place("n1", "0", 8), place("n1", "0", 8)});
  EXPECT_EQ(named(judge_rank_line(report(places), 2), "binding").status, Status::kWarning);
}

TEST(RankReport, IdleCoresAreAWarning) {
  const auto places = json::array({place("n1", "0", 64), place("n1", "1", 64)});
  const Finding binding = named(judge_rank_line(report(places), 2), "binding");
  EXPECT_EQ(binding.status, Status::kWarning);
  EXPECT_NE(binding.advice.find("pe=32"), std::string::npos);
}

TEST(RankReport, HostsAreCountedAndClockSkewIsAWarning) {
  const auto places = json::array({place("n1", "0-3", 4, 1000), place("n2", "0-3", 4, 1090)});
  const Checkup checkup = judge_rank_line(report(places), 2);
  EXPECT_EQ(named(checkup, "ranks").value, "2 found each other: 1 on n1, 1 on n2");
  EXPECT_EQ(named(checkup, "clocks").status, Status::kWarning);
  EXPECT_NE(named(checkup, "clocks").value.find("90 s"), std::string::npos);
}

LaunchContext started(const std::map<std::string, std::string>& environment) {
  return detect_launch([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(DetectLaunch, WithoutLauncherIsOneProcess) {
  EXPECT_FALSE(started({}).by_launcher);
  EXPECT_TRUE(started({}).is_first);
  // A batch script or a shell of a job is not a step of several tasks.
  EXPECT_FALSE(started({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "16"}}).by_launcher);
}

TEST(DetectLaunch, MpirunGivesRankAndLocalSize) {
  const LaunchContext rank = started({{"OMPI_COMM_WORLD_RANK", "3"},
                                      {"OMPI_COMM_WORLD_SIZE", "4"},
                                      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                      {"SLURM_STEP_NUM_TASKS", "2"}});
  EXPECT_TRUE(rank.by_launcher);
  EXPECT_EQ(rank.name, "mpirun");
  EXPECT_EQ(rank.info.size, 4);
  EXPECT_EQ(rank.local_size, 2);
  EXPECT_FALSE(rank.is_first);
  EXPECT_FALSE(rank.leads_host);
}

TEST(DetectLaunch, SrunWithoutPmiIsALauncher) {
  const LaunchContext task =
      started({{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}, {"SLURM_LOCALID", "0"}});
  EXPECT_TRUE(task.by_launcher);
  EXPECT_FALSE(task.info.launched);
  EXPECT_EQ(task.name, "srun");
  EXPECT_FALSE(task.is_first);
  EXPECT_TRUE(task.leads_host);
}

TEST(DetectLaunch, UnknownLauncherIsDetected) {
  const LaunchContext rank = started({{"PALS_RANKID", "0"}});
  EXPECT_TRUE(rank.by_launcher);
  EXPECT_FALSE(rank.info.launched);
  EXPECT_TRUE(rank.is_first);
}

TEST(RankStartLimit, LimitIsMinutesIfRanksLoadCuda) {
  const TemporaryFolder devices;
  EXPECT_EQ(rank_start_limit(devices.path()), std::chrono::seconds(30));
  put_file(devices / "nvidia0", "");
  EXPECT_GE(rank_start_limit(devices.path()), std::chrono::minutes(3));
}

}  // namespace
}  // namespace valley::doctor
