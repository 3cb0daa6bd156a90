#include <gtest/gtest.h>

#include <map>
#include <string>

#include "comm/world.h"

namespace valley {
namespace {

LaunchInfo in(const std::map<std::string, std::string>& environment) {
  return launch_info([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

void expect(const LaunchInfo& info, int rank, int size, bool launched) {
  EXPECT_EQ(info.rank, rank);
  EXPECT_EQ(info.size, size);
  EXPECT_EQ(info.launched, launched);
}

TEST(LaunchInfo, EmptyEnvironmentIsOneRank) { expect(in({}), 0, 1, false); }

TEST(LaunchInfo, OpenMpisMpirun) {
  expect(in({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "8"}}), 3, 8, true);
  expect(in({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}), 0, 1, true);
}

TEST(LaunchInfo, MpirunTakesPrecedenceOverSlurm) {
  expect(in({{"OMPI_COMM_WORLD_RANK", "1"},
             {"OMPI_COMM_WORLD_SIZE", "2"},
             {"PMIX_RANK", "1"},
             {"SLURM_PROCID", "0"},
             {"SLURM_NTASKS", "16"}}),
         1, 2, true);
}

TEST(LaunchInfo, SrunWithPmix) {
  expect(in({{"PMIX_RANK", "5"}, {"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "6"}}), 5, 6, true);
}

TEST(LaunchInfo, SizeOfAStepTakesPrecedenceOverThatOfTheJob) {
  expect(in({{"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_NTASKS", "6"}}), 1, 2,
         true);
}

TEST(LaunchInfo, PmiOfHydraAndSrun) {
  expect(in({{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}}), 2, 4, true);
  expect(in({{"PMI_FD", "9"}, {"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "4"}}), 3, 4, true);
}

TEST(LaunchInfo, SlurmBatchScriptAndShellAreNotLaunchers) {
  expect(in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_JOB_ID", "77"}}), 0, 1, false);
}

TEST(LaunchInfo, InvalidVariablesAreIgnored) {
  expect(in({{"OMPI_COMM_WORLD_RANK", "x"}, {"OMPI_COMM_WORLD_SIZE", "4"}}), 0, 1, false);
  expect(in({{"OMPI_COMM_WORLD_RANK", "4"}, {"OMPI_COMM_WORLD_SIZE", "4"}}), 0, 1, false);
  expect(in({{"OMPI_COMM_WORLD_RANK", "-1"}, {"OMPI_COMM_WORLD_SIZE", "4"}}), 0, 1, false);
  expect(in({{"PMI_RANK", "0"}}), 0, 1, false);
  expect(in({{"OMPI_COMM_WORLD_RANK", "0 "}, {"OMPI_COMM_WORLD_SIZE", "4"}}), 0, 1, false);
}

}  // namespace
}  // namespace valley
