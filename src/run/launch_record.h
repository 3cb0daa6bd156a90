// The record of one launch of a run, for run.json.
#pragma once

#include <string>

#include "comm/world.h"
#include "run/training_run.h"

namespace valley {

// Why launch/restarts.sh started the job again; "" if it did not.
[[nodiscard]] std::string restart_reason();

// One JSON object: time, command, versions, host, ranks, device, communicator, job, fingerprint of
// the data, `checkpoint`, from which the launch resumes, and `model`, from which a new run starts
// ("": none).
// `run_id`: see run/local_copies.h.
[[nodiscard]] std::string write_launch_record(World& world, const TrainRequest& request,
                                              const std::string& data_fingerprint,
                                              const std::string& checkpoint,
                                              const std::string& model, const std::string& run_id);

}  // namespace valley
