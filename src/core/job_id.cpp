#include "core/job_id.h"

#include <cstdlib>

namespace valley {
namespace {

std::string job_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string slurm_job() {
  const std::string array = job_variable("SLURM_ARRAY_JOB_ID");
  const std::string task = job_variable("SLURM_ARRAY_TASK_ID");
  if (!array.empty() && !task.empty()) return array + "_" + task;
  const std::string parts = job_variable("SLURM_HET_JOB_ID");
  const std::string offset = job_variable("SLURM_HET_JOB_OFFSET");
  if (!parts.empty()) return offset.empty() ? parts : parts + "+" + offset;
  return job_variable("SLURM_JOB_ID");
}

// "1234[7].server" in PBS; some versions leave the index to a variable: "1234[].server".
std::string pbs_job() {
  std::string id = job_variable("PBS_JOBID");
  const std::size_t brackets = id.find("[]");
  if (brackets != std::string::npos) id.insert(brackets + 1, job_variable("PBS_ARRAY_INDEX"));
  return id;
}

std::string lsf_job() {
  const std::string id = job_variable("LSB_JOBID");
  const std::string index = job_variable("LSB_JOBINDEX");
  return id.empty() || index.empty() || index == "0" ? id : id + "[" + index + "]";
}

std::string grid_engine_job() {
  const std::string id = job_variable("JOB_ID");
  const std::string task = job_variable("SGE_TASK_ID");
  return id.empty() || task.empty() || task == "undefined" ? id : id + "." + task;
}

}  // namespace

std::string job_id() {
  for (std::string (*job)() : {slurm_job, pbs_job, lsf_job, grid_engine_job}) {
    if (const std::string id = job(); !id.empty()) return id;
  }
  return "";
}

}  // namespace valley
