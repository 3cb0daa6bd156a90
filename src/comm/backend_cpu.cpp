#include "comm/backend.h"
#include "comm/host_gpus.h"
#include "core/error.h"

namespace valley {

bool built_with_cuda() { return false; }

std::vector<std::string> visible_gpus() { return {}; }

std::string gpu_obstacle() {
  return host_offers_gpus() ? "this valley was built without CUDA: build it where nvcc is "
                              "(launch/setup.sh installs it on a host with a GPU)"
                            : "";
}

std::string gpu_name(int /*index*/) {
  VALLEY_CHECK(!"built without CUDA");
  return {};
}

void use_gpu(int /*index*/) { VALLEY_CHECK(!"built without CUDA"); }

std::unique_ptr<Communicator> make_gpu_communicator(Communicator& /*host*/, int /*index*/,
                                                    std::chrono::seconds /*timeout*/) {
  VALLEY_CHECK(!"built without CUDA");
  return nullptr;
}

std::string gpu_collectives() { return "none"; }

std::string built_gpu_collectives() { return "none"; }

}  // namespace valley
