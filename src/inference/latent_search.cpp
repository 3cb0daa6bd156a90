#include "inference/latent_search.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/philox.h"
#include "inference/projection.h"

namespace valley {
namespace {

constexpr std::int64_t kSteps = 60;
constexpr std::int64_t kRestarts = 3;
constexpr std::int64_t kGeneratorBatch = 64;
constexpr double kDifference = 0.01;    // change of a latent element for the Jacobian
constexpr double kFirstDamping = 0.01;  // relative to the mean diagonal of J^T J
constexpr double kMinDamping = 1e-7;
constexpr double kMaxDamping = 1e4;       // no step decreases the error: converged
constexpr double kMinDeviation = 0.01;    // min deviation of known pixels from G(z)
constexpr double kRounding = 0.35 / 255;  // RMS error that 8-bit pixels alone have is 0.29 / 255
constexpr std::int64_t kWindow = 5;       // steps between the errors that are compared
constexpr double kMinDecrease = 0.01;     // relative decrease of the objective within kWindow steps

// The generator as a function from latents to rows of pixel values for pixels in [0, 1].
class UnitGenerator {
 public:
  UnitGenerator(const Model& model, const LatentDraw& draw, at::Device device)
      : generator_(dynamic_cast<const Generator&>(model.network("generator"))),
        range_(model.pixel_range()),
        draw_(draw),
        device_(device) {}

  // z [n, latent], labels int64 [n] or undefined -> [n, C H W], not clipped.
  [[nodiscard]] at::Tensor rows(const at::Tensor& z, const at::Tensor& labels) const {
    std::vector<at::Tensor> parts;
    for (std::int64_t i = 0; i < z.size(0); i += kGeneratorBatch) {
      const at::Tensor batch = z.narrow(0, i, std::min(kGeneratorBatch, z.size(0) - i));
      const at::Tensor classes =
          labels.defined() ? labels.narrow(0, i, batch.size(0)) : at::Tensor();
      const at::Tensor images = generator_.generate(batch, classes).contiguous().flatten(1);
      parts.push_back(range_ == PixelRange::kUnit ? images : (images + 1) / 2);
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }
  // Classes of the candidates, in turn: int64 [kLatentCandidates]; undefined without classes.
  [[nodiscard]] at::Tensor candidate_labels() const {
    if (generator_.labels() == 0) return {};
    return at::arange(kLatentCandidates, at::device(device_).dtype(at::kLong)) %
           generator_.labels();
  }
  [[nodiscard]] bool is_normal() const { return draw_.normal; }
  [[nodiscard]] std::int64_t latent() const { return draw_.size; }
  [[nodiscard]] at::Device device() const { return device_; }

  [[nodiscard]] at::Tensor candidates(std::uint64_t seed) const {
    const at::Tensor z = at::empty({kLatentCandidates, draw_.size}, at::kFloat);
    fill_latents(z, draw_, seed, RandomStream::kLatentSearch, at::zeros({}, at::kLong), 0);
    return z.to(device_);
  }

 private:
  const Generator& generator_;
  PixelRange range_;
  LatentDraw draw_;
  at::Device device_;
};

// The known pixels of one image, as a row [D].
struct Observed {
  at::Tensor target;  // in [0, 1]
  at::Tensor known;   // 1, or 0 for unknown values
  double count = 0;   // number of known values
  double deviation = kMinDeviation;

  // Difference to rows [.., D] of generated values. Pixels were clipped to [0, 1] after they were
  // generated, so a value beyond the end that a pixel lies on counts as equal.
  [[nodiscard]] at::Tensor residual(const at::Tensor& x) const {
    return at::where(is_clipped(x), at::zeros({}, x.options()), (target - x) * known);
  }
  [[nodiscard]] at::Tensor is_clipped(const at::Tensor& x) const {
    return ((target <= 0).logical_and(x < 0)).logical_or((target >= 1).logical_and(x > 1));
  }
  [[nodiscard]] double rms(double squared_error) const {
    return count > 0 ? std::sqrt(squared_error / count) : 0;
  }
};

double squared_sum(const at::Tensor& x) { return x.square().sum(at::kDouble).item<double>(); }

// Levenberg-Marquardt search for one image.
class LatentFitter {
 public:
  // `starts`: [n, latent], the initial latents in the order to try them; `labels`: int64 [n], their
  // classes, which do not change; undefined without classes.
  LatentFitter(const UnitGenerator& generator, Observed observed, at::Tensor starts,
               at::Tensor labels)
      : generator_(generator),
        observed_(std::move(observed)),
        starts_(std::move(starts)),
        labels_(std::move(labels)) {
    begin_start();
  }

  void step();
  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] const at::Tensor& latent() const { return best_.z; }  // [latent]
  [[nodiscard]] const at::Tensor& row() const { return best_.x; }     // [D]
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] std::int64_t starts() const { return start_; }

 private:
  struct Point {
    at::Tensor z;
    at::Tensor x;          // generated from z
    double error = 0;      // squared, over known values
    double objective = 0;  // error + s^2 |z|^2 for normal latents
  };

  void begin_start();
  void end_start();
  void keep_best();
  [[nodiscard]] Point point(const at::Tensor& z) const;
  [[nodiscard]] at::Tensor jacobian() const;
  [[nodiscard]] at::Tensor proposed_latent() const;
  [[nodiscard]] bool is_stalled() const;
  [[nodiscard]] double prior() const {
    return generator_.is_normal() ? observed_.deviation * observed_.deviation : 0;
  }

  // Classes of `n` latents of the present start.
  [[nodiscard]] at::Tensor labels(std::int64_t n) const {
    return labels_.defined() ? labels_[label_].expand({n}) : at::Tensor();
  }

  const UnitGenerator& generator_;
  Observed observed_;
  at::Tensor starts_;
  at::Tensor labels_;
  std::int64_t label_ = 0;  // number of the present start
  std::int64_t start_ = 0;  // number of begun starts
  std::int64_t steps_ = 0;
  Point now_;
  Point best_;
  double damping_ = kFirstDamping;
  std::vector<double> history_;  // objective before each step of this start
  bool is_done_ = false;
};

LatentFitter::Point LatentFitter::point(const at::Tensor& z) const {
  Point p{z, generator_.rows(z.unsqueeze(0), labels(1))[0]};
  p.error = squared_sum(observed_.residual(p.x));
  p.objective = p.error + (prior() > 0 ? prior() * squared_sum(z) : 0);
  return p;
}

void LatentFitter::begin_start() {
  label_ = start_;
  now_ = point(starts_[start_].clone());
  ++start_;
  damping_ = kFirstDamping;
  history_.clear();
  keep_best();
}

void LatentFitter::keep_best() {
  if (!best_.z.defined() || now_.objective < best_.objective) best_ = now_;
}

// Rows: changes of the generated values per latent element, [latent, D].
at::Tensor LatentFitter::jacobian() const {
  const at::Tensor moves = at::eye(generator_.latent(), now_.z.options()) * kDifference;
  const at::Tensor change =
      (generator_.rows(now_.z + moves, labels(moves.size(0))) - now_.x).div_(kDifference);
  const at::Tensor fits = observed_.known * observed_.is_clipped(now_.x).logical_not();
  return change.mul_(fits);
}

// Solves (J J^T + prior + damping) step = J r - prior z. In the box of uniform latents, elements at
// a bound that would leave it are fixed.
at::Tensor LatentFitter::proposed_latent() const {
  const at::Tensor j = jacobian();
  const at::Tensor r = observed_.residual(now_.x);
  at::Tensor a = j.mm(j.t()).to(at::kCPU, at::kDouble);
  at::Tensor b = j.mv(r).to(at::kCPU, at::kDouble);
  const at::Tensor z = now_.z.to(at::kCPU, at::kDouble);
  const double scale = std::max(a.diagonal().mean().item<double>(), 1e-30);
  if (generator_.is_normal()) {
    b = b - z * prior();
  } else {
    const at::Tensor leaves =
        ((z >= 1).logical_and(b > 0)).logical_or((z <= -1).logical_and(b < 0));
    const at::Tensor free = leaves.logical_not().to(at::kDouble);
    a = a * free.unsqueeze(0) * free.unsqueeze(1);
    b = b * free;
  }
  a.diagonal().add_(prior() + damping_ * scale);
  const at::Tensor factor = std::get<0>(at::linalg_cholesky_ex(a));
  const at::Tensor step = at::cholesky_solve(b.unsqueeze(1), factor).squeeze(1);
  const at::Tensor moved = (z + step).to(at::kFloat);
  return (generator_.is_normal() ? moved : moved.clamp(-1, 1)).to(generator_.device());
}

bool LatentFitter::is_stalled() const {
  if (damping_ > kMaxDamping) return true;
  const auto n = static_cast<std::int64_t>(history_.size());
  return n > kWindow &&
         now_.objective > (1 - kMinDecrease) * history_[static_cast<std::size_t>(n - 1 - kWindow)];
}

void LatentFitter::end_start() {
  const double fits =
      std::max(kRounding, observed_.deviation > kMinDeviation ? observed_.deviation : 0);
  is_done_ = observed_.rms(best_.error) <= fits || start_ == starts_.size(0);
  if (!is_done_) begin_start();
}

void LatentFitter::step() {
  history_.push_back(now_.objective);
  const Point next = point(proposed_latent());
  ++steps_;
  // Not a number, from a generator that overflows, is not a decrease.
  if (next.objective < now_.objective) {
    now_ = next;
    keep_best();
    damping_ = std::max(damping_ / 4, kMinDamping);
  } else {
    damping_ *= 3;
  }
  const bool is_exact =
      observed_.rms(now_.error) <= kRounding && observed_.deviation <= kMinDeviation;
  if (is_exact || is_stalled()) end_start();
}

class LatentSearch final : public Restorer {
 public:
  LatentSearch(const Model& model, const LatentDraw& draw, const RestoreRequest& request,
               at::Device device)
      : generator_(model, draw, device),
        steps_(request.chain.steps.value_or(kSteps)),
        starts_(1 + request.restarts.value_or(kRestarts)),
        weight_(request.weight.value_or(1)),
        is_intact_(request.is_intact) {}

  [[nodiscard]] at::Tensor restore(const RestoreTask& task) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor damaged = task.damaged.to(generator_.device());
    const at::Tensor share = compute_model_share(task, weight_).to(generator_.device());
    std::vector<LatentFitter> fitters = begin(task, damaged);
    const auto generated = [&] {
      std::vector<at::Tensor> rows;
      for (const LatentFitter& fitter : fitters) rows.push_back(fitter.row());
      return at::stack(rows).clamp(0, 1).view(damaged.sizes());
    };
    const auto images = [&] {
      return is_intact_ ? generated() : damaged + (generated() - damaged) * share;
    };
    if (task.watch) task.watch(0, images());
    for (std::int64_t step = 0; step < steps_; ++step) {
      for (LatentFitter& fitter : fitters)
        if (!fitter.is_done()) fitter.step();
      if (task.watch) task.watch(step + 1, images());
    }
    if (task.found) task.found(make_fit(fitters, generated()));
    return images().to(at::kCPU);
  }
  [[nodiscard]] std::int64_t steps() const override { return steps_; }
  [[nodiscard]] std::string describe() const override {
    return fmt::format(
        "latent: up to {} Levenberg-Marquardt steps from up to {} of {} random latents, weight "
        "{:.4g}",
        steps_, starts_, kLatentCandidates, weight_);
  }

 private:
  // One search per image, each with its own closest candidates.
  [[nodiscard]] std::vector<LatentFitter> begin(const RestoreTask& task,
                                                const at::Tensor& damaged) const {
    const at::Tensor candidates = generator_.candidates(task.seed);
    const at::Tensor labels = generator_.candidate_labels();
    const at::Tensor known =
        task.unknown.logical_not().to(generator_.device()).expand_as(damaged).to(at::kFloat);
    std::vector<LatentFitter> fitters;
    std::vector<Observed> observed;
    std::vector<std::vector<at::Tensor>> errors(static_cast<std::size_t>(damaged.size(0)));
    for (std::int64_t i = 0; i < damaged.size(0); ++i) {
      const at::Tensor mask = known[i].contiguous().flatten();
      observed.push_back({damaged[i].contiguous().flatten(), mask, mask.sum().item<double>(),
                          std::max(task.noise, kMinDeviation)});
    }
    for (std::int64_t first = 0; first < kLatentCandidates; first += kGeneratorBatch) {
      const at::Tensor rows = generator_.rows(
          candidates.narrow(0, first, kGeneratorBatch),
          labels.defined() ? labels.narrow(0, first, kGeneratorBatch) : at::Tensor());
      for (std::size_t i = 0; i < observed.size(); ++i)
        errors[i].push_back(observed[i].residual(rows).square().sum(1));
    }
    for (std::size_t i = 0; i < observed.size(); ++i) {
      const at::Tensor order = at::cat(errors[i]).to(at::kCPU).argsort(/*stable=*/true);
      const at::Tensor first = order.narrow(0, 0, starts_).to(candidates.device());
      fitters.emplace_back(generator_, observed[i], candidates.index_select(0, first),
                           labels.defined() ? labels.index_select(0, first) : at::Tensor());
    }
    return fitters;
  }

  [[nodiscard]] static LatentFit make_fit(const std::vector<LatentFitter>& fitters,
                                          const at::Tensor& generated) {
    std::vector<at::Tensor> latents;
    LatentFit fit;
    for (const LatentFitter& fitter : fitters) {
      latents.push_back(fitter.latent());
      fit.steps.push_back(fitter.steps());
      fit.starts.push_back(fitter.starts());
    }
    fit.latents = at::stack(latents).to(at::kCPU);
    fit.images = generated.to(at::kCPU);
    return fit;
  }

  UnitGenerator generator_;
  std::int64_t steps_;
  std::int64_t starts_;
  double weight_;
  bool is_intact_;
};

}  // namespace

std::unique_ptr<Restorer> make_latent_search(const Model& model, const LatentDraw& draw,
                                             const RestoreRequest& request, at::Device device) {
  return std::make_unique<LatentSearch>(model, draw, request, device);
}

}  // namespace valley
