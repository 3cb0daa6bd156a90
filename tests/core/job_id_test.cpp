#include "core/job_id.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

namespace valley {
namespace {

std::string job_in(const std::map<std::string, std::string>& variables) {
  for (const char* name : {"SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID",
                           "SLURM_HET_JOB_ID", "SLURM_HET_JOB_OFFSET", "PBS_JOBID",
                           "PBS_ARRAY_INDEX", "LSB_JOBID", "LSB_JOBINDEX", "JOB_ID", "SGE_TASK_ID"})
    ::unsetenv(name);
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  return job_id();
}

TEST(JobId, MatchesTheFormatOfTheBatchSystem) {
  EXPECT_EQ(job_in({}), "");
  EXPECT_EQ(job_in({{"SLURM_JOB_ID", "77"}}), "77");
  EXPECT_EQ(
      job_in(
          {{"SLURM_JOB_ID", "1236"}, {"SLURM_ARRAY_JOB_ID", "1234"}, {"SLURM_ARRAY_TASK_ID", "3"}}),
      "1234_3");
  EXPECT_EQ(
      job_in({{"SLURM_JOB_ID", "80"}, {"SLURM_HET_JOB_ID", "79"}, {"SLURM_HET_JOB_OFFSET", "1"}}),
      "79+1");
  EXPECT_EQ(job_in({{"PBS_JOBID", "12.host"}}), "12.host");
  EXPECT_EQ(job_in({{"PBS_JOBID", "12[4].host"}, {"PBS_ARRAY_INDEX", "4"}}), "12[4].host");
  EXPECT_EQ(job_in({{"PBS_JOBID", "12[].host"}, {"PBS_ARRAY_INDEX", "4"}}), "12[4].host");
  EXPECT_EQ(job_in({{"LSB_JOBID", "5"}, {"LSB_JOBINDEX", "0"}}), "5");
  EXPECT_EQ(job_in({{"LSB_JOBID", "5"}, {"LSB_JOBINDEX", "2"}}), "5[2]");
  EXPECT_EQ(job_in({{"JOB_ID", "9"}, {"SGE_TASK_ID", "undefined"}}), "9");
  EXPECT_EQ(job_in({{"JOB_ID", "9"}, {"SGE_TASK_ID", "6"}}), "9.6");
  EXPECT_EQ(job_in({}), "");
}

}  // namespace
}  // namespace valley
