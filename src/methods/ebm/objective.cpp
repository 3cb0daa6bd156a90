#include "methods/ebm/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/square.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.h"
#include "kernels/kernels.h"
#include "methods/ebm/energy_model.h"
#include "methods/ebm/r1.h"
#include "methods/ebm/supervised.h"
#include "methods/metric_names.h"
#include "samplers/recorded_langevin.h"
#include "samplers/replay_buffer.h"

namespace valley {
namespace {

constexpr const char* kTaken = "objective.replay_taken";
constexpr const char* kReplay = "objective.replay";
constexpr double kMaxLoss = 1e8;
constexpr double kLevels = 256;

// Slots of the phase's sums.
namespace ebm_sums {
enum Slot : std::int64_t {
  kReal,
  kFake,
  kSquares,
  kNorm,
  kRestarted,
  kCount,
  kR1,
  kContrast,
  kSupervised,
  kRight,
  kLabeled,
  kSlots
};
}

ReplayShape replay_shape(const EbmOptions& o, const ObjectiveSetting& s) {
  const std::int64_t steps = o.replay_size / s.microbatches / s.microbatch_size;
  // The newest chains are stored even without a buffer, for training's sample grids.
  const std::int64_t slots = std::max<std::int64_t>(1, steps) * s.microbatch_size;
  return {s.own_microbatches, slots, s.microbatch_size, s.resolution, s.resolution, s.channels};
}

class Ebm : public Objective {
 public:
  Ebm(const EbmOptions& options, const EnergyNetwork& network, const ObjectiveSetting& setting)
      : options_(options),
        setting_(setting),
        network_(network),
        langevin_(options.langevin()),
        replay_(replay_shape(options, setting),
                options.replay_size == 0 ? 1.0 : options.replay_restart, setting.device) {}

  [[nodiscard]] std::vector<Stage> stages() const override {
    return {{"contrastive", 0, {{"E", {"energy"}}}}};
  }
  [[nodiscard]] std::vector<std::string> sample_metrics() const override {
    return {metric::kRealEnergy, metric::kFakeEnergy};
  }
  [[nodiscard]] std::vector<std::string> sums_of(const Phase& /*phase*/) const override {
    return {metric::kRealEnergy,
            metric::kFakeEnergy,
            "energy/squares",
            "chain/gradient_norm",
            "chain/restarted",
            "count",
            "r1",
            "contrast",
            "supervised",
            "class/right",
            "class/labeled"};
  }
  [[nodiscard]] bool records_chains() const override { return true; }
  void record_chains_with(std::unique_ptr<WorkGraph> graph) override {
    recorded_.emplace(network_, langevin_, std::move(graph));
  }

  void accumulate_gradients(const Phase& /*phase*/, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    if (options_.generative_weight == 0) return discriminate(microbatch, sums);
    const ReplayBuffer::Start start = draw_start(microbatch);
    const at::Tensor fakes = run_chains(microbatch, start, sums);
    replay_.put(part_of(microbatch), fakes);
    contrast_with(fakes, microbatch, sums);
  }

  [[nodiscard]] TensorMap own_inputs(const Phase& /*phase*/,
                                     const Microbatch& microbatch) const override {
    if (options_.generative_weight == 0) return {};
    const ReplayBuffer::Start start = draw_start(microbatch);
    return {{"start", start.images}, {"restarted", start.restarted}};
  }
  void repeat_gradients(const Phase& /*phase*/, const Microbatch& microbatch,
                        const TensorMap& own_inputs, const at::Tensor& sums) override {
    if (options_.generative_weight == 0) return discriminate(microbatch, sums);
    const at::Tensor images = own_inputs.at("start").contiguous(at::MemoryFormat::ChannelsLast);
    contrast_with(run_chains(microbatch, {images, own_inputs.at("restarted")}, sums), microbatch,
                  sums);
  }

  void update_controller(const GlobalSums& sums) override {
    const at::Tensor all = sums.at("E").to(at::kDouble);
    replay_.commit(at::isfinite(all).all());
    means_ = all / all[ebm_sums::kCount];
  }

  [[nodiscard]] std::vector<ReportValue> report() const override {
    const at::Tensor real = means_[ebm_sums::kReal];
    const at::Tensor fake = means_[ebm_sums::kFake];
    const at::Tensor contrast = options_.has_softplus() ? means_[ebm_sums::kContrast] : real - fake;
    at::Tensor loss = contrast + options_.energy_decay * means_[ebm_sums::kSquares];
    if (options_.r1_weight > 0) loss = loss + options_.r1_weight * means_[ebm_sums::kR1];
    if (options_.generative_weight != 1) loss = loss * options_.generative_weight;
    std::vector<ReportValue> report = {{"loss/energy", "L", loss},
                                       {metric::kRealEnergy, "E(x)", real},
                                       {metric::kFakeEnergy, "E(chain)", fake},
                                       {metric::kEnergyGap, "gap", fake - real},
                                       {metric::kChainSlope, "slope", means_[ebm_sums::kNorm]},
                                       {"chain/restarted", "", means_[ebm_sums::kRestarted]}};
    if (options_.r1_weight > 0) report.push_back({"r1", "R1", means_[ebm_sums::kR1]});
    if (options_.is_supervised()) {
      report.push_back({"loss/supervised", "S", means_[ebm_sums::kSupervised]});
      report.push_back({metric::kClassError, "error",
                        1 - means_[ebm_sums::kRight] / means_[ebm_sums::kLabeled].clamp_min(1e-9)});
    }
    return report;
  }
  [[nodiscard]] std::string divergence() const override {
    return "a loss or gradient is not finite, or the loss is beyond 1e8,";
  }

  [[nodiscard]] bool measures() const override { return true; }
  [[nodiscard]] ImageMeasures measure(const Stage& /*stage*/,
                                      const Microbatch& microbatch) const override {
    if (!options_.is_supervised())
      return {{metric::kImageEnergy, network_.energy(microbatch.images())}};
    const at::Tensor energies = network_.class_energies(microbatch.images());
    const at::Tensor labels = microbatch.labels();
    return {{metric::kImageEnergy, marginal_energy(energies)},
            {metric::kCrossEntropy, supervised_loss("nll", energies, labels, 0)},
            {metric::kClassError, at::argmin(energies, 1).ne(labels).to(at::kFloat)}};
  }

  [[nodiscard]] std::optional<at::Tensor> samples(std::int64_t wanted) const override {
    const at::Tensor chains = replay_.newest(0, wanted);
    const std::int64_t n = std::min(wanted, replay_.slots().size(1));
    if (chains.size(0) == n) return chains;
    // Chains that have not run yet are shown as their start, noise.
    std::vector<std::int64_t> shape = chains.sizes().vec();
    shape[0] = n - chains.size(0);
    const at::Tensor noise = at::empty(shape, at::kFloat).flatten(1);
    kernels::fill_uniform(
        noise, {setting_.seed, RandomStream::kSampleLatent, 0.0F, static_cast<float>(kLevels)},
        at::full({}, chains.size(0), at::kLong), 0);
    return at::cat({chains, noise.floor().to(at::kByte).view(shape)});
  }

  void save(TensorMap& state) const override { state[kTaken] = replay_.taken(); }
  void load(const TensorMap& state, const std::string& where) override {
    replay_.taken().copy_(require_tensor(state, kTaken, {}, where));
  }
  [[nodiscard]] TensorMap save_owned() const override { return {{kReplay, replay_.slots()}}; }
  void load_owned(const TensorMap& state, const std::string& where) override {
    std::vector<std::int64_t> shape = replay_.slots().sizes().vec();
    shape[0] = setting_.microbatches;
    const at::Tensor all = require_tensor(state, kReplay, shape, where);
    replay_.slots().copy_(all.narrow(0, setting_.first_microbatch, setting_.own_microbatches));
  }

 private:
  // Adds the gradients and sums of real images against the ends of chains, `fakes`.
  void contrast_with(const at::Tensor& fakes, const Microbatch& microbatch,
                     const at::Tensor& sums) const {
    const double share = options_.generative_weight * share_of(microbatch);

    // Separate backward passes, so that only one graph is in memory at a time.
    const at::Tensor images = dequantized(microbatch);
    const at::Tensor energies =
        options_.is_supervised() ? network_.class_energies(images) : at::Tensor();
    const at::Tensor real =
        energies.defined() ? marginal_energy(energies) : network_.energy(images);
    const at::Tensor real_value = real.detach();
    const at::Tensor pull = derivative(real_value, fakes);
    const at::Tensor real_slope = (2 * options_.energy_decay * real_value + pull) * share;
    if (energies.defined()) {
      (at::dot(real, real_slope) + supervised(energies, microbatch, sums)).backward();
    } else {
      real.backward(real_slope);
    }
    if (options_.r1_weight > 0)
      sums[ebm_sums::kR1].add_(add_r1_gradient(network_, images, options_.r1_weight * share));

    const at::Tensor fake = network_.energy(fakes);
    const at::Tensor fake_value = fake.detach();
    const at::Tensor squares = at::square(real_value) + at::square(fake_value);
    const at::Tensor contrast = contrast_of(real_value - fake_value);
    const at::Tensor loss = (contrast + options_.energy_decay * squares).mean();
    const at::Tensor slope = (2 * options_.energy_decay * fake_value - pull) * share;
    fake.backward(
        slope.masked_fill(at::abs(loss) > kMaxLoss, std::numeric_limits<double>::quiet_NaN()));

    sums[ebm_sums::kReal].add_(real_value.sum());
    sums[ebm_sums::kFake].add_(fake_value.sum());
    sums[ebm_sums::kSquares].add_(squares.sum());
    sums[ebm_sums::kContrast].add_(contrast.sum());
    sums[ebm_sums::kCount].add_(static_cast<double>(microbatch.size()));
    microbatch.record_metric(metric::kRealEnergy, real_value);
    microbatch.record_metric(metric::kFakeEnergy, fake_value);
  }

  // The same without chains.
  void discriminate(const Microbatch& microbatch, const at::Tensor& sums) const {
    const at::Tensor energies = network_.class_energies(dequantized(microbatch));
    supervised(energies, microbatch, sums).backward();
    const at::Tensor real_value = marginal_energy(energies.detach());
    sums[ebm_sums::kReal].add_(real_value.sum());
    sums[ebm_sums::kCount].add_(static_cast<double>(microbatch.size()));
    microbatch.record_metric(metric::kRealEnergy, real_value);
    microbatch.record_metric(metric::kFakeEnergy, at::zeros_like(real_value));
  }

  // The weighted loss of the energies of classes, []. Adds its sums.
  [[nodiscard]] at::Tensor supervised(const at::Tensor& energies, const Microbatch& microbatch,
                                      const at::Tensor& sums) const {
    const at::Tensor labels = microbatch.labels();
    const at::Tensor losses =
        supervised_loss(options_.supervised, energies, labels, options_.supervised_margin);
    sums[ebm_sums::kSupervised].add_(losses.detach().sum());
    sums[ebm_sums::kRight].add_(at::argmin(energies.detach(), 1).eq(labels).sum());
    sums[ebm_sums::kLabeled].add_(labels.ge(0).sum());
    return losses.sum() * (options_.supervised_weight * share_of(microbatch));
  }

  // Share of an image in the mean over the global batch.
  [[nodiscard]] static double share_of(const Microbatch& microbatch) {
    return microbatch.weight() / static_cast<double>(microbatch.size());
  }

  // From the difference of the energies of a real image and of the end of a chain.
  [[nodiscard]] at::Tensor contrast_of(const at::Tensor& difference) const {
    return options_.has_softplus() ? at::softplus(difference) : difference;
  }

  // Derivative of contrast_of(real - E(fakes)), float [size].
  [[nodiscard]] at::Tensor derivative(const at::Tensor& real, const at::Tensor& fakes) const {
    if (!options_.has_softplus()) return at::ones_like(real);
    const at::NoGradGuard no_gradients;
    return at::sigmoid(real - network_.energy(fakes));
  }

  // Index of the microbatch among those of this rank.
  [[nodiscard]] std::int64_t part_of(const Microbatch& microbatch) const {
    return microbatch.index() - setting_.first_microbatch;
  }
  [[nodiscard]] static ChainPlace place_of(const Microbatch& microbatch) {
    const Microbatch::Place& at = microbatch.place();
    return {at.seed, RandomStream::kLangevin, at.position, at.offset};
  }
  [[nodiscard]] ReplayBuffer::Start draw_start(const Microbatch& microbatch) const {
    return replay_.draw(part_of(microbatch), place_of(microbatch), microbatch.size());
  }

  // Returns the ends of chains from `start`, float [size, C, H, W].
  at::Tensor run_chains(const Microbatch& microbatch, const ReplayBuffer::Start& start,
                        const at::Tensor& sums) {
    const ChainPlace place = place_of(microbatch);
    const Chains chains = recorded_ ? recorded_->run(start.images, place)
                                    : run_langevin(network_, start.images, langevin_, place);
    sums[ebm_sums::kNorm].add_(chains.gradient_norms.sum());
    sums[ebm_sums::kRestarted].add_(start.restarted.sum());
    return chains.images;
  }

  // Real images with uniform noise within each pixel's level, as in the authors' code, as chains
  // have the same levels; and with options_.data_noise.
  [[nodiscard]] at::Tensor dequantized(const Microbatch& microbatch) const {
    const at::Tensor& x = microbatch.images();
    const Microbatch::Place& place = microbatch.place();
    const at::Tensor noise = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
    const at::Tensor rows = noise.permute({0, 2, 3, 1}).view({x.size(0), x[0].numel()});
    kernels::fill_uniform(rows, {place.seed, RandomStream::kDequantize, 0.0F, 1.0F}, place.position,
                          place.offset);
    at::Tensor images = (x * (kLevels - 1) + noise) / kLevels;
    if (options_.data_noise == 0) return images;
    const auto deviation = static_cast<float>(options_.data_noise);
    kernels::fill_normal(rows, {place.seed, RandomStream::kDataNoise, deviation}, place.position,
                         place.offset);
    return images.add_(noise);
  }

  EbmOptions options_;
  ObjectiveSetting setting_;
  const EnergyNetwork& network_;
  LangevinSettings langevin_;
  std::optional<RecordedLangevin> recorded_;  // empty: the host launches each step of a chain
  ReplayBuffer replay_;
  at::Tensor means_;  // double [ebm_sums::kSlots], of the last step
};

void check_supervision(const EbmOptions& o, std::int64_t labels) {
  if (o.is_supervised() && labels == 0)
    throw Error(ExitCode::kConfig,
                "objective.supervised = \"{}\" shapes energies of classes, but model.labels = 0; "
                "set model.labels to the number of classes, or objective.supervised = \"none\"",
                o.supervised);
  if (!o.is_supervised() && labels > 0)
    throw Error(ExitCode::kConfig,
                "model.labels = {} gives the energy network classes, which objective.supervised = "
                "\"none\" does not train; set objective.supervised = \"nll\", or model.labels = 0",
                labels);
  if (!o.is_supervised() && o.generative_weight == 0)
    throw Error(ExitCode::kConfig,
                "objective.generative_weight = 0 and objective.supervised = \"none\" leave no "
                "loss; set one of them");
  if (o.generative_weight == 0 && o.r1_weight > 0)
    throw Error(ExitCode::kConfig,
                "objective.r1_weight = {} is a part of the generative loss, which "
                "objective.generative_weight = 0 leaves out; set objective.r1_weight = 0",
                o.r1_weight);
}

void check_ebm_options(const EbmOptions& o, const ObjectiveSetting& s) {
  const std::int64_t batch = s.microbatch_size * s.microbatches;
  if (o.replay_size > 0 && o.replay_size < batch) {
    throw Error(ExitCode::kConfig,
                "objective.replay_size = {} is less than the {} chains of a step; set "
                "objective.replay_size = {} or more, or 0 to start all chains from noise",
                o.replay_size, batch, batch);
  }
  const std::int64_t max_steps = max_langevin_steps(s.resolution * s.resolution * s.channels);
  if (o.langevin_steps < 1 || o.langevin_steps > max_steps) {
    throw Error(ExitCode::kConfig,
                "objective.langevin_steps is {}; for {}x{} images set a value from 1 to {}",
                o.langevin_steps, s.resolution, s.resolution, max_steps);
  }
  if (o.temperature && o.langevin_noise == 0) {
    throw Error(ExitCode::kConfig,
                "objective.temperature = {} computes the step size from objective.langevin_noise, "
                "which is 0; set a noise above 0, or objective.temperature = \"auto\"",
                *o.temperature);
  }
}

}  // namespace

std::unique_ptr<Objective> make_ebm_objective(const EbmOptions& options, const Model& model,
                                              const ObjectiveSetting& setting) {
  check_ebm_options(options, setting);
  const auto* energy = dynamic_cast<const EnergyModel*>(&model);
  if (energy == nullptr) {
    throw Error(ExitCode::kConfig,
                "objective.name = \"ebm\" needs an energy network; set model.name = "
                "\"ebm\"");
  }
  check_supervision(options, energy->energy().labels());
  return std::make_unique<Ebm>(options, energy->energy(), setting);
}

}  // namespace valley
