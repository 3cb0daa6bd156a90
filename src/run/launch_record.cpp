#include "run/launch_record.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "comm/backend.h"
#include "core/job_id.h"
#include "core/json_text.h"
#include "core/text.h"
#include "kernels/device.h"

namespace valley {

std::string restart_reason() {
  const char* const reason = std::getenv("VALLEY_RESTARTED_AFTER");
  return reason == nullptr ? "" : reason;
}

std::string write_launch_record(World& world, const TrainRequest& request,
                                const std::string& data_fingerprint, const std::string& checkpoint,
                                const std::string& model, const std::string& run_id) {
  const nlohmann::json record = {{"started", utc_now()},
                                 {"command", request.command},
                                 {"version", request.version},
                                 {"versions", device_versions()},
                                 {"host", host_name()},
                                 {"ranks", world.size()},
                                 {"device", world.device().device().str()},
                                 {"communicator", world.device().name()},
                                 {"job", job_id()},
                                 {"data_fingerprint", data_fingerprint},
                                 {"resumed_from", checkpoint},
                                 {"started_from", model},
                                 {"restarted_after", restart_reason()},
                                 {"run_id", run_id}};
  // Paths may not be valid UTF-8; write_json replaces such bytes.
  return write_json(record);
}

}  // namespace valley
