#include "train/step_audit.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/progress_count.h"

namespace valley {
namespace {

Digests digests_of(const AuditImages& images) {
  Digests digests;
  digests.add("pixels", images.pixels);
  if (images.labels.defined()) digests.add("labels", images.labels);
  return digests;
}

std::optional<std::size_t> difference(const std::vector<Digest>& a, const std::vector<Digest>& b,
                                      bool exact) {
  return exact ? first_difference(a, b) : first_difference(a, b, kAuditTolerance);
}

}  // namespace

StepAudit::StepAudit(const AuditRequest& request, const MicrobatchPlan& plan,
                     Communicator& communicator, std::int64_t step, bool needs_labels)
    : request_(request),
      plan_(plan),
      communicator_(communicator),
      step_(step),
      needs_labels_(needs_labels),
      audited_((communicator.rank() + communicator.size() - request.distance) %
               communicator.size()),
      audited_images_(read(audited_)) {}

int StepAudit::auditor_of(int owner) const {
  return (owner + request_.distance) % communicator_.size();
}

AuditImages StepAudit::read(int rank) const {
  AuditImages images = request_.read(rank);
  const at::Device device = communicator_.device();
  images.pixels = images.pixels.to(device);
  images.labels = needs_labels_ ? images.labels.to(device) : at::Tensor();
  count_progress();
  return images;
}

StepAudit::Table StepAudit::exchange(const Digests& own, const Digests& repeated) {
  const at::Tensor rows =
      gather_rows(communicator_, at::stack({pack(own.all()), pack(repeated.all())}));
  Table table;
  for (int r = 0; r < communicator_.size(); ++r) {
    table.own.push_back(unpack(rows[r][0]));
    table.repeated.push_back(unpack(rows[r][1]));
  }
  return table;
}

std::vector<StepAudit::Pair> StepAudit::differing(const Table& table, const Digests& names,
                                                  bool exact) const {
  std::vector<Pair> pairs;
  for (int owner = 0; owner < communicator_.size(); ++owner) {
    const int auditor = auditor_of(owner);
    const auto found = difference(table.own[static_cast<std::size_t>(owner)],
                                  table.repeated[static_cast<std::size_t>(auditor)], exact);
    if (found) pairs.push_back({owner, auditor, names.name(*found)});
  }
  return pairs;
}

// A rank without a part in any difference, or else any rank but those of the first one.
std::optional<int> StepAudit::third_rank(const std::vector<Pair>& pairs) const {
  const auto has_part = [](const Pair& pair, int rank) {
    return pair.owner == rank || pair.auditor == rank;
  };
  std::optional<int> third;
  for (int r = communicator_.size() - 1; r >= 0; --r) {
    if (has_part(pairs.front(), r)) continue;
    const bool is_free =
        std::ranges::none_of(pairs, [&](const Pair& pair) { return has_part(pair, r); });
    if (is_free) return r;
    third = r;
  }
  return third;
}

void StepAudit::judge(const std::string& what, const char* again, const std::vector<Pair>& pairs,
                      const Table& table, bool exact,
                      const std::function<Digests(int rank)>& repeat) {
  const Pair& pair = pairs.front();
  const std::string where = fmt::format("in micro-batch {} of step {}",
                                        pair.owner * plan_.per_rank + request_.microbatch, step_);
  if (pair.owner == pair.auditor) {
    throw CorruptionFound(fmt::format("{} of {} {} differ from those that it {}", what,
                                      ranks_text({pair.owner}), where, again),
                          {pair.owner});
  }
  const std::string text =
      fmt::format("{} of {} ({}) {} differ from those that {} {}", what, ranks_text({pair.owner}),
                  pair.tensor, where, ranks_text({pair.auditor}), again);
  std::vector<int> both{pair.owner, pair.auditor};
  std::ranges::sort(both);
  const std::optional<int> third = third_rank(pairs);
  if (!third)
    throw CorruptionFound(text + "; there is no third rank to tell which of them is wrong", both);

  const std::vector<Digest>& owners = table.own[static_cast<std::size_t>(pair.owner)];
  const std::vector<Digest>& auditors = table.repeated[static_cast<std::size_t>(pair.auditor)];
  const at::Tensor packed = (communicator_.rank() == *third ? pack(repeat(pair.owner).all())
                                                            : at::zeros_like(pack(owners)))
                                .to(communicator_.device());
  communicator_.broadcast(packed, *third)->wait();
  await_device(communicator_);
  const std::vector<Digest> thirds = unpack(packed);
  const bool owner_is_right = !difference(thirds, owners, exact);
  const bool auditor_is_right = !difference(thirds, auditors, exact);
  if (owner_is_right == auditor_is_right) {
    both.push_back(*third);
    std::ranges::sort(both);
    throw CorruptionFound(fmt::format("{}; {} got a third result", text, ranks_text({*third})),
                          both);
  }
  const int wrong = owner_is_right ? pair.auditor : pair.owner;
  const int right = owner_is_right ? pair.owner : pair.auditor;
  throw CorruptionFound(fmt::format("{}; {} agrees with {}, so that {} is wrong", text,
                                    ranks_text({*third}), ranks_text({right}), ranks_text({wrong})),
                        {wrong});
}

void StepAudit::compare_images(const AuditImages& own) {
  await_device(communicator_);
  const Digests mine = digests_of(own);
  const Table table = exchange(mine, digests_of(audited_images_));
  const std::vector<Pair> pairs = differing(table, mine, true);
  if (!pairs.empty())
    judge("images", "read again", pairs, table, true,
          [this](int rank) { return digests_of(read(rank)); });
}

void StepAudit::compare_gradients(const std::string& phase, const AuditImages& own,
                                  const TensorMap& own_inputs, const Gradient& gradient) {
  std::map<std::string, at::Tensor> all_inputs;
  for (const auto& [name, tensor] : own_inputs) {
    const at::Tensor in = tensor.contiguous();
    std::vector<std::int64_t> shape{communicator_.size()};
    shape.insert(shape.end(), in.sizes().begin(), in.sizes().end());
    all_inputs[name] = at::zeros(shape, in.options());
    communicator_.all_gather(in, all_inputs[name])->wait();
  }
  const auto inputs_of = [&](int rank) {
    TensorMap inputs;
    for (const auto& [name, all] : all_inputs) inputs[name] = all[rank];
    return inputs;
  };
  const Digests mine = gradient(communicator_.rank(), own, inputs_of(communicator_.rank()));
  count_progress();
  const Table table = exchange(mine, gradient(audited_, audited_images_, inputs_of(audited_)));
  count_progress();
  const std::vector<Pair> pairs = differing(table, mine, request_.exact);
  if (pairs.empty()) return;
  if (request_.exact && request_.may_round && differing(table, mine, false).empty()) {
    has_rounding_ = true;
    return;
  }
  judge(fmt::format("{}'s gradients", phase), "computed again", pairs, table, request_.exact,
        [&](int rank) { return gradient(rank, read(rank), inputs_of(rank)); });
}

}  // namespace valley
