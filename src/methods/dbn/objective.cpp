#include "methods/dbn/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/square.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/kernels.h"
#include "methods/dbn/contrastive_divergence.h"
#include "methods/dbn/networks.h"
#include "methods/dbn/rbm_measures.h"
#include "methods/metric_names.h"

namespace valley {
namespace {

constexpr const char* kMeasure = "measure";
constexpr const char* kFineTune = "fine-tune";
constexpr const char* kChains = "objective.chains.";

// Slots of the sums, for a layer's phase and for fine-tuning.
namespace layer_sums {
enum Slot : std::int64_t { kReal, kFake, kReconstruction, kActivity, kCount };
}
namespace tuning_sums {
enum Slot : std::int64_t { kLoss, kErrors, kCount };
}

std::string layer_name(std::size_t level) { return "layers." + std::to_string(level); }

// Index of the RBM that a phase trains; none for measuring and fine-tuning.
std::optional<std::size_t> level_of(const Phase& phase) {
  if (!phase.name.starts_with("layers.")) return std::nullopt;
  return std::stoul(phase.name.substr(7));
}

class Dbn : public Objective {
 public:
  Dbn(const DbnOptions& options, const DeepBeliefNetwork& dbn, const ObjectiveSetting& setting)
      : options_(options),
        setting_(setting),
        dbn_(dbn),
        divergence_{options.gibbs_steps, options.persistent_chains, options.weight_cost} {
    if (!options.persistent_chains) return;
    for (std::size_t i = 0; i < dbn.depth(); ++i) {
      chains_.push_back(
          at::zeros({setting.own_microbatches, setting.microbatch_size, dbn.rbm(i).shape().hidden},
                    at::TensorOptions(setting.device).dtype(at::kByte)));
    }
  }

  [[nodiscard]] std::vector<Stage> stages() const override {
    const auto epochs = [&](std::int64_t n) { return n * setting_.epoch_steps; };
    std::vector<Stage> stages;
    // Steps without gradients change no weights; this stage only collects the pixels' moments.
    Stage measure{kMeasure, epochs(1), {{kMeasure, {layer_name(0)}}}};
    measure.averages_statistics = true;
    stages.push_back(measure);
    const std::int64_t first = std::min(options_.momentum_epochs, options_.pretrain_epochs);
    for (std::size_t i = 0; i < dbn_.depth(); ++i) {
      const std::string name = layer_name(i);
      const std::size_t own = stages.size();
      Stage begin{name + " (first epochs)", epochs(first), {{name, {name}}}};
      begin.max_momentum = options_.first_momentum;
      if (first > 0) stages.push_back(begin);
      const std::int64_t others = options_.pretrain_epochs - first;
      const std::int64_t decay = std::min(options_.lr_decay_epochs, others);
      Stage rest{name, epochs(others - decay), {{name, {name}}}};
      if (rest.length > 0) stages.push_back(rest);
      Stage last{name + " (decay)", epochs(decay), {{name, {name}}}};
      last.decay_every = setting_.epoch_steps;
      if (last.length > 0) stages.push_back(last);
      if (stages.size() > own) stages[own].resets_optimizers = true;
    }
    Stage tune{kFineTune, epochs(options_.fine_tune_epochs), {{kFineTune, {}}}};
    for (const NamedNetwork& n : dbn_.networks()) tune.phases[0].updates.push_back(n.name);
    tune.lr_scale = options_.fine_tune_lr / setting_.learning_rate;
    tune.resets_optimizers = true;
    if (tune.length > 0) stages.push_back(tune);
    return stages;
  }

  [[nodiscard]] std::vector<std::string> sums_of(const Phase& phase) const override {
    if (phase.name == kMeasure) return {"count"};
    if (phase.name == kFineTune) return {"loss", "errors", "count"};
    return {metric::kRealEnergy, metric::kFakeEnergy, "reconstruction", "activity", "count"};
  }
  [[nodiscard]] std::vector<std::string> sample_metrics() const override {
    return {metric::kRealEnergy, metric::kFakeEnergy};
  }

  void accumulate_gradients(const Phase& phase, const Microbatch& microbatch,
                            const at::Tensor& sums) override {
    if (phase.name == kMeasure) {
      level_ = 0;
      dbn_.rbm(0).note_moments(microbatch.images().flatten(1), microbatch.weight());
      sums[0].add_(static_cast<double>(microbatch.size()));
    } else if (phase.name == kFineTune) {
      level_ = dbn_.depth() - 1;
      tune(microbatch, sums);
    } else {
      level_ = *level_of(phase);
      const std::int64_t part = microbatch.index() - setting_.first_microbatch;
      const Divergence found = diverge(level_, microbatch, chain_of(phase, microbatch), sums);
      if (options_.persistent_chains)
        pending_.push_back({level_, part, found.hidden.to(at::kByte)});
    }
  }

  [[nodiscard]] TensorMap own_inputs(const Phase& phase,
                                     const Microbatch& microbatch) const override {
    const at::Tensor chain = chain_of(phase, microbatch);
    return chain.defined() ? TensorMap{{"chain", chain}} : TensorMap();
  }
  void repeat_gradients(const Phase& phase, const Microbatch& microbatch,
                        const TensorMap& own_inputs, const at::Tensor& sums) override {
    if (const auto level = level_of(phase)) {
      const auto chain = own_inputs.find("chain");
      static_cast<void>(diverge(*level, microbatch,
                                chain == own_inputs.end() ? at::Tensor() : chain->second, sums));
    } else {
      accumulate_gradients(phase, microbatch, sums);
    }
  }

  void update_controller(const GlobalSums& sums) override {
    const auto& [phase, raw] = *sums.begin();
    const at::Tensor all = raw.to(at::kDouble);
    const at::Tensor means = all / all[-1];
    report_.clear();
    if (phase == kMeasure) return;
    if (phase == kFineTune) {
      report_ = {{"loss/classes", "loss", means[tuning_sums::kLoss]},
                 {"error/batch", "error", means[tuning_sums::kErrors]}};
      return;
    }
    using namespace layer_sums;
    report_ = {{metric::kRealEnergy, "F(v)", means[kReal]},
               {metric::kFakeEnergy, "F(chain)", means[kFake]},
               {metric::kEnergyGap, "gap", means[kFake] - means[kReal]},
               {metric::kReconstructionError, "reconstruction", means[kReconstruction]},
               {"hidden/activity", "on", means[kActivity]}};
    keep_chains(at::isfinite(all).all());
  }
  [[nodiscard]] std::vector<ReportValue> report() const override { return report_; }

  [[nodiscard]] bool has_epochs() const override { return true; }
  EpochReport end_epoch(const GlobalSums& sums) override {
    if (sums.contains(kMeasure)) {
      dbn_.rbm(0).set_visible_bias();
      return {{"stage", kMeasure}};
    }
    const auto& [phase, all] = *sums.begin();
    const at::Tensor means = all / all[-1];
    EpochReport report = {{"stage", phase}};
    const std::vector<std::string> names = sums_of({phase, {}});
    for (std::size_t i = 0; i + 1 < names.size(); ++i)
      report.emplace_back(names[i], means[static_cast<std::int64_t>(i)].item<double>());
    return report;
  }

  // Samples from the persistent chains, or else from new chains that begin at hidden states of
  // probability 1/2.
  [[nodiscard]] std::optional<at::Tensor> samples(std::int64_t wanted) const override {
    constexpr std::int64_t kSteps = 200;
    const at::NoGradGuard no_grad;
    const Rbm& rbm = dbn_.rbm(level_);
    const ChainPlace place{setting_.seed, RandomStream::kSampleChain,
                           at::zeros({}, at::TensorOptions(setting_.device).dtype(at::kLong)), 0};
    const GibbsDraws draws(rbm, place, RandomStream::kSampleNoise);
    at::Tensor hidden;
    if (options_.persistent_chains) {
      const at::Tensor chains = chains_[level_].flatten(0, 1);
      hidden = chains.narrow(0, 0, std::min(wanted, chains.size(0))).to(at::kFloat);
    } else {
      const at::Tensor half = at::full({wanted, rbm.shape().hidden}, 0.5F, rbm.weight().options());
      hidden = run_gibbs(rbm, draws.hidden(half, 0), kSteps, draws, {}, 1).hidden;
    }
    const at::Tensor images = dbn_.images_from_level(level_, rbm.visible_mean(hidden));
    return kernels::bytes_from_images(to_symmetric(images, PixelRange::kUnit)).to(at::kCPU);
  }

  [[nodiscard]] bool measures() const override { return true; }
  [[nodiscard]] ImageMeasures measure(const Stage& stage,
                                      const Microbatch& microbatch) const override {
    const Phase& phase = stage.phases.front();
    if (const auto level = level_of(phase))
      return compute_measures(dbn_.rbm(*level), visible_state(*level, microbatch), microbatch);
    if (phase.name != kFineTune) return {};
    const at::Tensor scores = at::log_softmax(dbn_.class_scores(microbatch.images()), 1);
    const at::Tensor truth = microbatch.labels();
    return {{metric::kCrossEntropy, -scores.gather(1, truth.unsqueeze(1)).squeeze(1)},
            {metric::kClassError, at::argmax(scores, 1).ne(truth).to(at::kFloat)}};
  }

  void save(TensorMap& /*state*/) const override {}
  void load(const TensorMap& /*state*/, const std::string& /*where*/) override {}
  [[nodiscard]] TensorMap save_owned() const override {
    TensorMap state;
    for (std::size_t i = 0; i < chains_.size(); ++i)
      state[kChains + std::to_string(i)] = chains_[i];
    return state;
  }
  void load_owned(const TensorMap& state, const std::string& where) override {
    for (std::size_t i = 0; i < chains_.size(); ++i) {
      std::vector<std::int64_t> shape = chains_[i].sizes().vec();
      shape[0] = setting_.microbatches;
      const at::Tensor all = require_tensor(state, kChains + std::to_string(i), shape, where);
      chains_[i].copy_(all.narrow(0, setting_.first_microbatch, setting_.own_microbatches));
    }
  }

 private:
  // Visible units and labels of RBM `level` for a microbatch.
  [[nodiscard]] VisibleState visible_state(std::size_t level, const Microbatch& microbatch) const {
    VisibleState seen{dbn_.level_input(level, microbatch.images()), {}};
    const std::int64_t labels = dbn_.rbm(level).shape().labels;
    if (labels > 0) seen.y = at::one_hot(microbatch.labels(), labels).to(at::kFloat);
    return seen;
  }

  // The persistent chains of a phase that trains an RBM, float [size, hidden]; else undefined.
  [[nodiscard]] at::Tensor chain_of(const Phase& phase, const Microbatch& microbatch) const {
    const auto level = level_of(phase);
    if (!level || !options_.persistent_chains) return {};
    return chains_[*level][microbatch.index() - setting_.first_microbatch].to(at::kFloat);
  }

  [[nodiscard]] Divergence diverge(std::size_t level, const Microbatch& microbatch,
                                   const at::Tensor& chain, const at::Tensor& sums) const {
    using namespace layer_sums;
    const at::NoGradGuard no_grad;
    const Rbm& rbm = dbn_.rbm(level);
    const VisibleState data = visible_state(level, microbatch);
    const Divergence found = accumulate_divergence(rbm, divergence_, data, chain, microbatch);

    // PCD chains do not begin at the data, so the reconstruction is one step up and down.
    const at::Tensor again =
        options_.persistent_chains ? rbm.visible_mean(found.driven) : found.end.v;
    sums[kReal].add_(found.real_energy.sum());
    sums[kFake].add_(found.fake_energy.sum());
    sums[kReconstruction].add_(at::square(again - data.v).mean(1).sum());
    sums[kActivity].add_(found.driven.mean(1).sum());
    sums[kCount].add_(static_cast<double>(microbatch.size()));
    microbatch.record_metric(metric::kRealEnergy, found.real_energy);
    microbatch.record_metric(metric::kFakeEnergy, found.fake_energy);
    return found;
  }

  void tune(const Microbatch& microbatch, const at::Tensor& sums) const {
    const at::Tensor scores = at::log_softmax(dbn_.class_scores(microbatch.images()), 1);
    const at::Tensor loss = at::nll_loss(scores, microbatch.labels());
    (loss * microbatch.weight()).backward();
    const at::NoGradGuard no_grad;
    const auto size = static_cast<double>(microbatch.size());
    sums[tuning_sums::kLoss].add_(loss.detach() * size);
    sums[tuning_sums::kErrors].add_(at::argmax(scores, 1).ne(microbatch.labels()).sum());
    sums[tuning_sums::kCount].add_(size);
  }

  // Updates the chains only if the step is finite.
  void keep_chains(const at::Tensor& ok) {
    for (const Pending& p : pending_) {
      const at::Tensor chain = chains_[p.level][p.part];
      chain.copy_(at::where(ok, p.hidden, chain));
    }
    pending_.clear();
  }

  struct Pending {
    std::size_t level;
    std::int64_t part;
    at::Tensor hidden;
  };
  DbnOptions options_;
  ObjectiveSetting setting_;
  const DeepBeliefNetwork& dbn_;
  DivergenceSettings divergence_;
  std::vector<at::Tensor> chains_;  // uint8 [own microbatches, microbatch, hidden] per RBM
  std::vector<Pending> pending_;
  std::size_t level_ = 0;  // index of the RBM that was trained last
  std::vector<ReportValue> report_;
};

void check_dbn_options(const DbnOptions& o, const DeepBeliefNetwork& dbn) {
  if (o.fine_tune_epochs > 0 && dbn.labels() == 0) {
    throw Error(ExitCode::kConfig,
                "objective.fine_tune_epochs = {} trains a classifier, but model.labels = 0; set "
                "model.labels to the number of classes, or objective.fine_tune_epochs=0",
                o.fine_tune_epochs);
  }
  if (o.fine_tune_epochs == 0 && dbn.output() != nullptr) {
    throw Error(ExitCode::kConfig,
                "model.labels = {} adds an output layer, which only fine-tuning trains; set "
                "objective.fine_tune_epochs, or model.label_units=true for labels in the top RBM, "
                "or model.labels=0",
                dbn.labels());
  }
}

}  // namespace

std::unique_ptr<Objective> make_dbn_objective(const DbnOptions& options, const Model& model,
                                              const ObjectiveSetting& setting) {
  const auto* dbn = dynamic_cast<const DeepBeliefNetwork*>(&model);
  if (dbn == nullptr) {
    throw Error(ExitCode::kConfig,
                "objective.name = \"dbn\" trains restricted Boltzmann machines only; set "
                "model.name = \"dbn\"");
  }
  check_dbn_options(options, *dbn);
  return std::make_unique<Dbn>(options, *dbn, setting);
}

}  // namespace valley
