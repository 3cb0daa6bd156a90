#include "bench/step_bench.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "bench/muted_communicator.h"
#include "bench/synthetic.h"
#include "comm/backend.h"
#include "core/error.h"
#include "core/stopwatch.h"
#include "kernels/device.h"
#include "methods/registry.h"
#include "plan/matrix_speed.h"
#include "plan/memory_check.h"
#include "plan/run_plan.h"
#include "run/batches.h"
#include "run/data.h"
#include "train/trainer.h"

namespace valley {
namespace {

// Several batches, so that steps do not find their pixels in a cache, as in training.
constexpr std::int64_t kBatches = 4;

// Time stamps in the order of the device's work. mark() does not wait for the device.
class Marks {
 public:
  explicit Marks(at::Device device) : device_(device) {}

  void mark() {
    if (!device_.is_cuda()) {
      times_.push_back(std::chrono::steady_clock::now());
      return;
    }
    events_.emplace_back(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
    events_.back().record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }

  [[nodiscard]] std::vector<double> seconds_between() {
    synchronize(device_);
    std::vector<double> seconds;
    for (std::size_t i = 1; i < times_.size(); ++i)
      seconds.push_back(std::chrono::duration<double>(times_[i] - times_[i - 1]).count());
    for (std::size_t i = 1; i < events_.size(); ++i)
      seconds.push_back(events_[i - 1].elapsedTime(events_[i]) / 1e3);
    return seconds;
  }

 private:
  at::Device device_;
  std::vector<std::chrono::steady_clock::time_point> times_;
  std::vector<c10::Event> events_;
};

struct StepBatch {
  at::Tensor pixels;
  at::Tensor labels;
};

// Source of the images of steps, with the time spent waiting for them.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual StepBatch next() = 0;
  [[nodiscard]] virtual double wait_seconds() const = 0;
  [[nodiscard]] virtual std::uint64_t images() const = 0;
};

class SyntheticSource : public Source {
 public:
  SyntheticSource(const Experiment& experiment, const MicrobatchPlan& plan, World& world)
      : pixels_(synthetic_pixels(experiment, kBatches, plan.share(), world.rank())),
        labels_(synthetic_labels(experiment, plan.share())),
        images_(static_cast<std::uint64_t>(plan.global_batch)) {
    if (world.device().device().is_cuda()) pixels_ = pixels_.pin_memory();
  }
  [[nodiscard]] StepBatch next() override { return {pixels_[taken_++ % kBatches], labels_}; }
  [[nodiscard]] double wait_seconds() const override { return 0; }
  // One step per epoch, so that stages with a length in epochs are short.
  [[nodiscard]] std::uint64_t images() const override { return images_; }

 private:
  at::Tensor pixels_;
  at::Tensor labels_;
  std::uint64_t images_;
  std::int64_t taken_ = 0;
};

class DataSource : public Source {
 public:
  DataSource(World& world, const Experiment& experiment, const RunPlan& run)
      : data_(open_run_data(world, experiment)),
        batches_(world, experiment, data_.training, 0, run.memory.per_image * run.shares.size) {
    require_same_data(world, data_);
  }
  [[nodiscard]] StepBatch next() override {
    const Batch& batch = batches_.next();
    return {batch.pixels, batch.labels};
  }
  [[nodiscard]] double wait_seconds() const override { return batches_.wait_seconds(); }
  [[nodiscard]] std::uint64_t images() const override { return data_.training->size(); }

 private:
  RunData data_;
  RunBatches batches_;
};

struct StepTimes {
  std::vector<double> seconds;
  double reducing = 0, waiting = 0;  // host seconds in the timed steps
};

void take_step(Trainer& trainer, Source& source) {
  const StepBatch batch = source.next();
  trainer.step(batch.pixels, false, batch.labels);
  if (trainer.status(false).not_finite)
    throw Error(ExitCode::kDiverged, "{}; measure with a lower optimizer.lr",
                trainer.objective().divergence());
}

StepTimes take_steps(const Experiment& experiment, const MicrobatchPlan& plan,
                     Communicator& through, Source& source, const StepBenchOptions& options) {
  Trainer trainer(experiment, plan, through, source.images());
  for (std::int64_t i = 0; i < options.warmup; ++i) take_step(trainer, source);
  StepTimes taken{{}, trainer.comm_seconds(), source.wait_seconds()};
  Marks marks(through.device());
  marks.mark();
  for (std::int64_t i = 0; i < options.steps; ++i) {
    take_step(trainer, source);
    marks.mark();
  }
  taken.seconds = marks.seconds_between();
  taken.reducing = trainer.comm_seconds() - taken.reducing;
  taken.waiting = source.wait_seconds() - taken.waiting;
  return taken;
}

// Exposed seconds of reductions per step, one value per pair of blocks of steps with and without
// reductions. The two alternate, because the speed of the host changes with time, and start on all
// ranks together. The time of a block is that of its slowest rank, so that waiting for a rank that
// is always slow does not count as reduction. A block is one step on CPUs, and several on GPUs,
// whose work the host queues ahead.
std::vector<double> take_exposed(World& world, const Experiment& experiment,
                                 const MicrobatchPlan& plan, Source& source,
                                 const StepBenchOptions& options) {
  Communicator& through = world.device();
  const auto muted = make_muted_communicator(through);
  Trainer with(experiment, plan, through, source.images());
  Trainer without(experiment, plan, *muted, source.images());
  for (Trainer* trainer : {&with, &without})
    for (std::int64_t i = 0; i < options.warmup; ++i) take_step(*trainer, source);
  const std::int64_t length =
      through.device().is_cuda() ? std::min<std::int64_t>(4, options.steps) : 1;
  const auto block_seconds = [&](Trainer& trainer) {
    synchronize(through.device());
    world.host().barrier();
    double seconds = 0;
    {
      const Stopwatch watch(seconds);
      for (std::int64_t i = 0; i < length; ++i) take_step(trainer, source);
      synchronize(through.device());
    }
    return seconds / static_cast<double>(length);
  };
  const std::int64_t blocks = options.steps / length;
  const at::Tensor taken = at::zeros({2, blocks}, at::kDouble);
  for (std::int64_t b = 0; b < blocks; ++b) {
    for (const std::int64_t turn : {b % 2, 1 - b % 2})
      taken[turn][b].fill_(block_seconds(turn == 0 ? with : without));
  }
  world.host().all_reduce(taken, ReduceOp::kMax)->wait();
  const at::Tensor more = taken[0] - taken[1];
  return {more.const_data_ptr<double>(), more.const_data_ptr<double>() + blocks};
}

// Mean over the timed steps, which may belong to several stages.
std::optional<StepCost> mean_cost(const Experiment& experiment, std::uint64_t images, int ranks,
                                  const StepBenchOptions& options) {
  const auto model = make_meta_model(experiment.model);
  const std::vector<Stage> stages = experiment.stages(images);
  const std::int64_t last = options.warmup + options.steps;
  StepCost mean;
  std::int64_t begin = 0;
  for (const Stage& stage : stages) {
    const bool is_open_ended = stage.length == 0 || &stage == &stages.back();
    const std::int64_t end = is_open_ended ? last : std::min(last, begin + stage.length);
    const std::int64_t timed = end - std::max(begin, options.warmup);
    if (timed > 0) {
      const auto cost = step_cost(*model, experiment, stage, ranks);
      if (!cost) return std::nullopt;
      const double share = static_cast<double>(timed) / static_cast<double>(options.steps);
      mean.flops += share * cost->flops;
      mean.bytes += share * cost->bytes;
      mean.gradients += share * cost->gradients;
    }
    begin = end;
  }
  return mean;
}

std::vector<std::int64_t> gather_values(World& world, std::int64_t own) {
  std::vector<std::int64_t> all;
  for (const std::string& text : world.gather(std::to_string(own))) all.push_back(std::stoll(text));
  return all;
}

}  // namespace

StepBench bench_step(World& world, const Experiment& experiment, const StepBenchOptions& options) {
  Communicator& through = world.device();
  const at::Device device = through.device();
  StepBench bench;
  bench.threads = set_arithmetic_of(world, experiment);
  const RunPlan run = plan_run(world, experiment);
  bench.plan = run.shares;
  bench.device = device.is_cuda() ? gpu_name(device.index()) : "cpu";
  bench.communicator = through.name();
  bench.precision = name_of(precision_on(experiment, world.device().device()));
  bench.planned = run.memory;
  const std::unique_ptr<Source> source =
      options.from_data
          ? std::unique_ptr<Source>(std::make_unique<DataSource>(world, experiment, run))
          : std::make_unique<SyntheticSource>(experiment, run.shares, world);
  bench.cost = mean_cost(experiment, source->images(), world.size(), options);
  with_memory_advice(run.memory, run.shares, [&] {
    const StepTimes taken = take_steps(experiment, run.shares, through, *source, options);
    const auto steps = static_cast<double>(options.steps);
    bench.seconds = taken.seconds;
    if (!device.is_cuda()) bench.reducing = taken.reducing / steps;
    bench.waiting = taken.waiting / steps;
    // Read before other measurements, so that the peaks are those of training.
    bench.peak_resident = gather_values(world, device_memory(at::kCPU).peak);
    if (device.is_cuda()) bench.peak_device = gather_values(world, device_memory(device).peak);
    if (options.exposed)
      bench.exposed = take_exposed(world, experiment, run.shares, *source, options);
  });
  world.host().barrier();
  bench.matrix_flops = matrix_speed(device, experiment.compute().type) * world.size();
  return bench;
}

}  // namespace valley
