#include "run/recorder.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <variant>
#include <vector>

#include "core/json_text.h"
#include "core/log.h"
#include "core/read_file.h"
#include "kernels/device.h"
#include "methods/metric_names.h"
#include "nn/sampling.h"
#include "record/image_grid.h"

namespace valley {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr double kGiga = 1e9;
constexpr const char* kReals = "samples/reals";
constexpr const char* kFakes = "samples/fakes";
constexpr const char* kWarnings = "warnings";
constexpr const char* kRescues = "rescues";

Png write_pixels(const std::filesystem::path& file, const at::Tensor& pixels,
                 std::int64_t columns) {
  const std::span<const std::uint8_t> bytes(pixels.const_data_ptr<std::uint8_t>(),
                                            static_cast<std::size_t>(pixels.numel()));
  return write_grid(file, bytes, pixels.size(0), pixels.size(1), pixels.size(2), pixels.size(3),
                    columns);
}

at::Tensor first_images(const Dataset& dataset, std::int64_t n) {
  at::Tensor pixels =
      at::empty({n, dataset.height(), dataset.width(), dataset.channels()}, at::kByte);
  const std::span<std::uint8_t> bytes(pixels.mutable_data_ptr<std::uint8_t>(),
                                      static_cast<std::size_t>(pixels.numel()));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    dataset.read(index, bytes.subspan(index * dataset.image_bytes(), dataset.image_bytes()), true);
  }
  return pixels;
}

// The numeric values of a line except step, images and samples.
Scalars scalars_of(const StatsLine& line) {
  Scalars scalars;
  for (const auto& [name, value] : line) {
    if (name == "step" || name == "images" || name == "samples") continue;
    if (const auto* real = std::get_if<double>(&value)) scalars.emplace_back(name, *real);
    if (const auto* whole = std::get_if<std::int64_t>(&value))
      scalars.emplace_back(name, static_cast<double>(*whole));
  }
  return scalars;
}

}  // namespace

RunRecorder::RunRecorder(const RunDirectory& run, const Experiment& experiment,
                         std::int64_t first_step, std::int64_t steps, at::Device device)
    : run_(run),
      experiment_(experiment),
      steps_(steps),
      device_(device),
      grid_(parse_grid(experiment.samples.grid, "samples.grid")),
      stats_(run.stats_file(), first_step),
      events_(run.path(), first_step, read_file(run.config_file())),
      watch_(experiment.objective.method().energies_are_errors(),
             experiment.objective.method().separating_gap(experiment.objective)),
      slow_ranks_(device.is_cpu()),
      last_step_(first_step),
      last_time_(std::chrono::steady_clock::now()) {
  watch_.replay(run.stats_file());
}

void RunRecorder::begin(const Trainer& trainer, const Dataset& dataset) {
  const std::int64_t n =
      std::min(grid_.columns * grid_.rows, static_cast<std::int64_t>(dataset.size()));
  const at::Tensor reals = first_images(dataset, n);
  if (n > 1) real_distance_ = mean_pairwise_distance(reals);
  const Png png = write_pixels(run_.path() / "reals.png", reals, grid_.columns);
  if (!events_.has_earlier(kReals)) events_.add_image(trainer.steps_done(), kReals, png);
  if (trainer.steps_done() == 0 && !events_.has_earlier(kFakes))
    draw_samples(trainer, run_.path() / "fakes-init.png");
  last_drawn_ = trainer.steps_done();
  last_time_ = std::chrono::steady_clock::now();
}

void RunRecorder::after_step(Trainer& trainer, double wait_seconds,
                             const std::optional<JobReport>& job) {
  const std::int64_t step = trainer.steps_done();
  if (const std::optional<EpochReport> epoch = trainer.take_epoch_report()) {
    StatsLine line = {
        {"event", std::string("epoch")}, {"step", step}, {"images", trainer.images_seen()}};
    for (const auto& [name, value] : *epoch)
      std::visit([&, key = name](const auto& held) { line.emplace_back(key, held); }, value);
    record(step, line);
  }
  if (job) report(trainer, wait_seconds, *job);
  if (step % experiment_.samples.every == 0) {
    const auto begin = std::chrono::steady_clock::now();
    draw_samples(trainer, run_.path() / fmt::format("fakes-{:08}.png", step));
    exclude_time(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
}

// Opening the recorder drops lines of undone steps, which may be those of earlier rescues.
void RunRecorder::record_rescues(const Trainer& trainer, const std::vector<Rescue>& rescues) {
  if (rescues.empty()) return;
  const std::set<std::int64_t> present = rescues_in(run_.stats_file());
  for (std::size_t i = 0; i < rescues.size(); ++i) {
    const Rescue& r = rescues[i];
    const auto number = static_cast<std::int64_t>(i) + 1;
    if (present.contains(number)) continue;
    stats_.write({{"event", std::string("rescue")},
                  {"step", trainer.steps_done()},
                  {"images", trainer.images_seen()},
                  {"number", number},
                  {"lost", r.loss.step},
                  {"restored", r.step},
                  {"kind", r.loss.kind},
                  {"text", r.loss.reason},
                  {"lr_scale", r.lr_scale}});
    events_.add_text(trainer.steps_done(), kRescues,
                     fmt::format("step {}: {} ({}); {}", r.loss.step, r.loss.reason, r.loss.kind,
                                 describe(r, i + 1, experiment_.train.max_rescues)));
  }
}

void RunRecorder::record_evaluation(const Trainer& trainer, const RunEvaluation& found,
                                    double seconds) {
  StatsLine line = {{"event", std::string("evaluate")},
                    {"step", trainer.steps_done()},
                    {"images", trainer.images_seen()},
                    {"samples", found.samples}};
  RunWatch::Values watched;
  for (const Metric& m : found.metrics) {
    line.emplace_back(m.name, m.value);
    line.emplace_back(m.name + "/floor", m.floor);
    watched[m.name] = m.value;
  }
  record(trainer.steps_done(), line);
  log::info("{}", describe(found));
  warn(trainer, watch_.evaluation(watched));
  exclude_time(seconds);
}

void RunRecorder::record_validation(const Trainer& trainer, const RunValidation& found,
                                    double seconds) {
  StatsLine line = {{"event", std::string("validation")},
                    {"step", trainer.steps_done()},
                    {"images", trainer.images_seen()},
                    {"stage", found.stage}};
  RunWatch::Values watched;
  const auto add = [&](const std::string& name, double value) {
    line.emplace_back(name, value);
    watched[name] = value;
  };
  for (const RunValidation::Measure& m : found.measures) {
    add(m.name + "/train", m.training);
    add(m.name + "/validation", m.validation);
    if (!m.is_energy()) continue;
    add(m.name + "/gap", m.gap);
    add(m.name + "/gap_error", m.gap_error);
  }
  record(trainer.steps_done(), line);
  log::info("{}", describe(found));
  warn(trainer, watch_.validation(found.stage, watched));
  exclude_time(seconds);
}

// Rates exclude grids, evaluations and validations.
void RunRecorder::exclude_time(double seconds) {
  last_time_ += std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(seconds));
}

void RunRecorder::end(const Trainer& trainer) {
  const std::int64_t step = trainer.steps_done();
  if (last_drawn_ != step)
    draw_samples(trainer, run_.path() / fmt::format("fakes-{:08}.png", step));
  progress_.finish();
}

void RunRecorder::report(const Trainer& trainer, double wait_seconds, const JobReport& job) {
  if (job.is_peak_new) record_peak(trainer, *job.peak);
  const std::vector<Trainer::Value> values = trainer.report();
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::max(1e-9, std::chrono::duration<double>(now - last_time_).count());
  const std::int64_t step = trainer.steps_done();
  const auto steps = static_cast<double>(std::max<std::int64_t>(1, step - last_step_));
  const double rate = steps * static_cast<double>(experiment_.train.global_batch) / seconds;
  const double waited = wait_seconds - last_wait_;
  const double communicated = trainer.comm_seconds() - last_comm_;
  const auto memory = static_cast<double>(device_memory(device_).peak);
  const std::int64_t images_done = trainer.images_seen();

  StatsLine line = {{"step", step}, {"images", images_done}};
  RunWatch::Values watched;
  ProgressReport shown;
  for (const Trainer::Value& v : values) {
    line.emplace_back(v.name, v.value);
    watched[v.name] = v.value;
    if (!v.short_name.empty()) shown.metrics.emplace_back(v.short_name, v.value);
  }
  line.emplace_back(metric::kImagesPerSecond, rate);
  line.emplace_back(metric::kDataWait, 1e3 * waited / steps);
  if (!device_.is_cuda()) line.emplace_back(metric::kExposedComm, 1e3 * communicated / steps);
  if (job.flops && job.peak) {
    shown.utilization = *job.flops / seconds / job.peak->flops_per_s;
    line.emplace_back(metric::kUtilization, shown.utilization);
  }
  add_rank_times(job, line);
  line.emplace_back(metric::kPeakMemory, memory / kMebibyte);
  record(step, line);
  warn(trainer, watch_.report(step, watched));
  warn(trainer, slow_ranks_.report(step, job));

  shown.step = step;
  shown.steps = steps_;
  shown.images = images_done;
  shown.images_per_second = rate;
  shown.data_share = waited / seconds;
  shown.comm_share = communicated / seconds;
  shown.memory_gib = memory / kMebibyte / 1024.0;
  shown.eta_seconds = static_cast<double>(steps_ - step) * seconds_per_step(step, seconds / steps);
  progress_.show(shown);
  if (!first_report_) first_report_ = {step, now};
  last_step_ = step;
  last_wait_ = wait_seconds;
  last_comm_ = trainer.comm_seconds();
  last_time_ = std::chrono::steady_clock::now();
}

void RunRecorder::record_peak(const Trainer& trainer, const JobPeak& peak) {
  const std::string source = peak.is_published ? "published" : "measured";
  stats_.write({{"event", std::string("peak")},
                {"step", trainer.steps_done()},
                {"images", trainer.images_seen()},
                {"flops_per_s", peak.flops_per_s},
                {"source", source}});
  log::info("peak of all ranks: {:.4g} GFLOP/s ({}); MFU is relative to it",
            peak.flops_per_s / kGiga,
            peak.is_published ? source : fmt::format("matrix products of {:.2f} s", peak.seconds));
  exclude_time(peak.seconds);
}

void RunRecorder::add_rank_times(const JobReport& job, StatsLine& line) const {
  if (job.ranks.size() < 2) return;
  std::vector<double> compute, wait, data, busy;
  for (const RankTimes& t : job.ranks) {
    compute.push_back(1e3 * t.compute);
    wait.push_back(1e3 * t.wait);
    data.push_back(1e3 * t.data);
    busy.push_back((device_.is_cuda() ? 0 : t.compute) + t.data);
  }
  const Slowest found = slowest(busy);
  const auto add = [&](const char* name, const char* max_name, const std::vector<double>& values) {
    line.emplace_back(name, median(values));
    line.emplace_back(max_name, *std::ranges::max_element(values));
  };
  line.emplace_back(metric::kSlowestRank, std::int64_t{found.rank});
  if (!device_.is_cuda()) {
    line.emplace_back(metric::kRankSpread, found.spread);
    add(metric::kRankCompute, metric::kMaxRankCompute, compute);
    add(metric::kRankWait, metric::kMaxRankWait, wait);
  }
  add(metric::kRankData, metric::kMaxRankData, data);
}

double RunRecorder::seconds_per_step(std::int64_t step, double latest) const {
  if (!first_report_ || step == first_report_->step) return latest;
  const auto since = std::chrono::steady_clock::now() - first_report_->time;
  return std::chrono::duration<double>(since).count() /
         static_cast<double>(step - first_report_->step);
}

void RunRecorder::draw_samples(const Trainer& trainer, const std::filesystem::path& file) {
  const at::Tensor fakes = trainer.sample(grid_.columns * grid_.rows, grid_.columns);
  events_.add_image(trainer.steps_done(), kFakes, write_pixels(file, fakes, grid_.columns));
  last_drawn_ = trainer.steps_done();
  if (fakes.size(0) < 2) return;
  SampleDistances found{mean_pairwise_distance(fakes), real_distance_, std::nullopt};
  StatsLine line{{"event", std::string("samples")},
                 {"step", trainer.steps_done()},
                 {"images", trainer.images_seen()},
                 {metric::kFakeDistance, found.fake},
                 {metric::kRealDistance, found.real}};
  if (const auto raw = trainer.sample_without_average(fakes.size(0), grid_.columns)) {
    found.raw = mean_pairwise_distance(*raw);
    line.push_back({metric::kRawDistance, *found.raw});
  }
  line.push_back({"file", file.filename().string()});
  record(trainer.steps_done(), line);
  warn(trainer, watch_.samples(trainer.steps_done(), found));
}

void RunRecorder::warn(const Trainer& trainer, const std::vector<RunWarning>& warnings) {
  const std::int64_t step = trainer.steps_done();
  for (const RunWarning& w : warnings) {
    if (w.kind == "recovery") {
      log::info("step {}: {}", step, w.text);
    } else {
      log::warn("step {}: {}", step, w.text);
    }
    stats_.write({{"event", std::string("warning")},
                  {"step", step},
                  {"images", trainer.images_seen()},
                  {"kind", w.kind},
                  {"text", w.text}});
    events_.add_text(step, kWarnings, fmt::format("{}: {}", w.kind, w.text));
  }
}

void RunRecorder::record(std::int64_t step, const StatsLine& line) {
  stats_.write(line);
  events_.add_scalars(step, scalars_of(line));
}

}  // namespace valley
