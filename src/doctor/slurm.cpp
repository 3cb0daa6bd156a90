#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>

#include "core/job_id.h"
#include "doctor/checks.h"
#include "doctor/command.h"
#include "doctor/system_text.h"

namespace valley::doctor {
namespace {

void describe_job(const Notes& notes, const std::string& job) {
  std::string value = "job " + job;
  const auto add = [&](const char* name, const std::string& what) {
    const std::string found = environment_variable(name);
    if (!found.empty()) value += ", " + what + " " + found;
  };
  add("SLURM_JOB_NUM_NODES", "nodes");
  add("SLURM_JOB_NODELIST", "on");
  add("SLURM_NTASKS", "tasks");
  add("SLURM_CPUS_PER_TASK", "CPUs per task");
  add("SLURM_GPUS_ON_NODE", "GPUs here");
  notes.ok("job", value);
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream in(text);
  for (std::string found; in >> found;) {
    if (found == word || found.starts_with(word + "_")) return true;
  }
  return false;
}

}  // namespace

void check_slurm(const Notes& notes) {
  const std::string job = environment_variable("SLURM_JOB_ID").empty() ? "" : job_id();
  const auto srun = find_program("srun");
  if (!job.empty()) describe_job(notes, job);
  if (!srun) {
    if (job.empty()) {
      notes.ok("Slurm", "not on this host");
    } else {
      notes.warn("srun", "not on the PATH", "start the ranks with mpirun");
    }
    return;
  }
  const CommandResult listed =
      run_command({srun->string(), "--mpi=list"}, {}, std::chrono::seconds(3));
  const std::string output = listed.out + listed.err;
  if (!listed.succeeded()) {
    std::string why = listed.timed_out ? "no answer within 3 s" : first_text_line(output);
    const std::string prefix = "srun: error: ";
    if (why.starts_with(prefix)) why = why.substr(prefix.size());
    if (job.empty()) {
      notes.ok("srun", "installed, but it finds no Slurm: " + why);
    } else {
      notes.warn("srun", why,
                 "start the ranks with mpirun, or ask the administrators of this cluster");
    }
  } else if (has_word(output, "pmix")) {
    notes.ok("srun", "has pmix: srun --mpi=pmix valley train ...");
  } else {
    notes.warn("srun", "has no pmix support, which Open MPI needs",
               "start the ranks with mpirun inside the job (salloc or sbatch)");
  }
}

}  // namespace valley::doctor
