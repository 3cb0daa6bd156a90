#include "gpu/cuda_graph.h"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>

#include "core/error.h"

namespace valley {
namespace {

class CudaGraph final : public WorkGraph {
 public:
  explicit CudaGraph(at::Device device)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  void run(const std::function<void()>& work) override { on_stream(work); }

  void record(const std::function<void()>& work) override {
    // A capture allocates from a separate memory pool. Return the memory of the previous graph and
    // cached blocks to the device first, or the activations of a step would need memory twice.
    graph_.reset();
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    c10::cuda::CUDACachingAllocator::emptyCache();
    graph_ = std::make_unique<at::cuda::CUDAGraph>();
    on_stream([&] {
      try {
        // Thread-local: the loader's threads may allocate and copy during capture.
        graph_->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
        work();
        graph_->capture_end();
      } catch (const c10::OutOfMemoryError&) {
        throw;
      } catch (const c10::Error& error) {
        throw Error(ExitCode::kConfig,
                    "performance.cuda_graph is on, but a step could not be captured: {}; set it "
                    "to \"off\"",
                    error.what_without_backtrace());
      }
    });
  }

  void replay(std::int64_t times) override {
    VALLEY_CHECK(graph_ != nullptr);
    on_stream([&] {
      for (std::int64_t i = 0; i < times; ++i) graph_->replay();
    });
  }

 private:
  template <typename Work>
  void on_stream(const Work& work) {
    const c10::cuda::CUDAStream calling = c10::cuda::getCurrentCUDAStream(stream_.device_index());
    at::cuda::CUDAEvent before;
    before.record(calling);
    before.block(stream_);
    {
      const c10::cuda::CUDAStreamGuard on_it(stream_);
      work();
    }
    at::cuda::CUDAEvent after;
    after.record(stream_);
    after.block(calling);
  }

  c10::cuda::CUDAStream stream_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<WorkGraph> record_cuda_graph(at::Device device) {
  return std::make_unique<CudaGraph>(device);
}

}  // namespace valley
