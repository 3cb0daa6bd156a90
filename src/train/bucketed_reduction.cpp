#include "train/bucketed_reduction.h"

#include <ATen/ops/empty.h>
#include <fmt/core.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "core/error.h"

namespace valley {

// Autograd calls this after each accumulation into a parameter's gradient, on the thread of the
// backward pass, with the stream of that pass as the current one.
class BucketedReduction::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(BucketedReduction& owner, std::size_t parameter) : owner_(owner), parameter_(parameter) {}
  void operator()(const at::Tensor& /*value*/) override { owner_.on_accumulated(parameter_); }

 private:
  BucketedReduction& owner_;
  std::size_t parameter_;
};

BucketedReduction::BucketedReduction(Communicator& communicator, std::int64_t bucket_bytes,
                                     bool on_thread)
    : communicator_(communicator), bucket_bytes_(bucket_bytes) {
  if (on_thread) thread_.emplace(communicator);
}

BucketedReduction::~BucketedReduction() {
  for (const Watched& w : watched_)
    torch::autograd::impl::set_post_acc_grad_hooks(w.value, nullptr);
}

// Buckets are formed from the last parameter to the first, the order of the backward pass.
void BucketedReduction::watch(const FlatGroup& group, const ParameterSet& parameters) {
  const FlatLayout& layout = group.layout();
  VALLEY_CHECK(layout.tensors() == parameters.all().size());
  groups_.push_back(&group);
  const auto min_elements = bucket_bytes_ / static_cast<std::int64_t>(sizeof(float));
  std::int64_t end = layout.size();
  std::vector<std::size_t> held;
  for (std::size_t i = layout.tensors(); i-- > 0;) {
    const Parameter& p = parameters.all()[i];
    held.push_back(watched_.size());
    watched_.push_back({p.value, group.name() + "." + p.name, buckets_.size()});
    torch::autograd::impl::set_post_acc_grad_hooks(
        p.value, std::make_unique<Hook>(*this, watched_.size() - 1));
    const std::int64_t begin = layout.offset(i);
    if (end - begin < min_elements && i > 0) continue;
    buckets_.push_back({group.gradients().narrow(0, begin, end - begin), &group, held});
    held.clear();
    end = begin;
  }
}

bool BucketedReduction::is_active(const Bucket& bucket) const {
  return std::ranges::find(active_, bucket.group) != active_.end();
}

void BucketedReduction::begin(const std::string& phase, const std::vector<std::string>& networks) {
  VALLEY_CHECK(record_ == nullptr);
  record_ = &records_[phase];
  active_.clear();
  for (const FlatGroup* group : groups_) {
    if (std::ranges::find(networks, group->name()) != networks.end()) active_.push_back(group);
  }
  accumulations_.assign(watched_.size(), 0);
  last_.assign(watched_.size(), 0);
  missing_.clear();
  for (const Bucket& bucket : buckets_) missing_.push_back(bucket.parameters.size());
  clock_ = 0;
  started_ = 0;
  started_early_ = 0;
}

void BucketedReduction::on_accumulated(std::size_t parameter) {
  const std::size_t bucket = watched_[parameter].bucket;
  if (record_ == nullptr || !is_active(buckets_[bucket])) return;
  const int count = ++accumulations_[parameter];
  last_[parameter] = ++clock_;
  if (record_->ready_order.empty()) return;
  const int expected = record_->accumulations[parameter];
  if (count > expected) {
    throw std::logic_error(fmt::format(
        "autograd accumulated {} times into the gradient of {} in a microbatch, but {} times in "
        "the first run of the same phase; its all-reduce may have started: set "
        "performance.overlap = \"off\"",
        count, watched_[parameter].name, expected));
  }
  if (count < expected || --missing_[bucket] > 0) return;
  start_complete();
}

void BucketedReduction::start_complete() {
  const std::vector<std::size_t>& order = record_->ready_order;
  for (; started_ < order.size() && missing_[order[started_]] == 0; ++started_) {
    start(buckets_[order[started_]].memory);
    ++started_early_;
  }
}

void BucketedReduction::start(const at::Tensor& memory) {
  works_.push_back(thread_ ? thread_->all_reduce(memory, ReduceOp::kSum)
                           : communicator_.all_reduce(memory, ReduceOp::kSum));
}

void BucketedReduction::begin_rest() {
  VALLEY_CHECK(record_ != nullptr && !has_begun_rest_);
  has_begun_rest_ = true;
  if (record_->ready_order.empty()) record_ready_order();
  const std::vector<std::size_t>& order = record_->ready_order;
  for (; started_ < order.size(); ++started_) start(buckets_[order[started_]].memory);
  for (const FlatGroup* group : active_) start(group->statistics_and_tail());
}

void BucketedReduction::finish() {
  if (!has_begun_rest_) begin_rest();
  for (const auto& work : works_) work->wait();
  works_.clear();
  record_ = nullptr;
  has_begun_rest_ = false;
}

// Buckets with a parameter that autograd never accumulates into come last: they do not become
// complete during the backward pass.
void BucketedReduction::record_ready_order() {
  record_->accumulations = accumulations_;
  std::vector<std::pair<std::int64_t, std::size_t>> complete;  // clock, bucket
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    if (!is_active(buckets_[b])) continue;
    std::int64_t when = 0;
    for (const std::size_t p : buckets_[b].parameters) {
      when = std::max(when,
                      accumulations_[p] > 0 ? last_[p] : std::numeric_limits<std::int64_t>::max());
    }
    complete.emplace_back(when, b);
  }
  std::ranges::sort(complete);
  const auto n = static_cast<std::int64_t>(complete.size());
  const at::Tensor order = at::empty({n}, at::kLong);
  for (std::int64_t i = 0; i < n; ++i) {
    order.mutable_data_ptr<std::int64_t>()[i] =
        static_cast<std::int64_t>(complete[static_cast<std::size_t>(i)].second);
  }
  const at::Tensor agreed = order.to(communicator_.device());
  communicator_.broadcast(agreed, 0)->wait();
  const at::Tensor host = agreed.to(at::kCPU);
  for (std::int64_t i = 0; i < n; ++i)
    record_->ready_order.push_back(
        static_cast<std::size_t>(host.const_data_ptr<std::int64_t>()[i]));
}

}  // namespace valley
