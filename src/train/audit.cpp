#include "train/audit.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "comm/gather.h"

namespace valley {
namespace {

struct Disagreement {
  std::vector<int> majority;  // empty: no value has more than half of the ranks
  std::vector<int> others;    // all ranks without a majority
};

// The ranks that agree about tensor `i`, and those that do not.
Disagreement disagreement_about(std::size_t i, const std::vector<std::vector<Digest>>& ranks) {
  std::map<std::uint32_t, std::vector<int>> holders;
  for (std::size_t r = 0; r < ranks.size(); ++r)
    holders[ranks[r][i].crc].push_back(static_cast<int>(r));
  Disagreement d;
  for (const auto& [crc, holding] : holders)
    if (2 * holding.size() > ranks.size()) d.majority = holding;
  for (int r = 0; r < static_cast<int>(ranks.size()); ++r)
    if (!std::ranges::binary_search(d.majority, r)) d.others.push_back(r);
  return d;
}

}  // namespace

std::string ranks_text(const std::vector<int>& ranks) {
  if (ranks.size() == 1) return fmt::format("rank {}", ranks[0]);
  const std::vector<int> first(ranks.begin(), ranks.end() - 1);
  return fmt::format("ranks {} and {}", fmt::join(first, ", "), ranks.back());
}

void await_device(Communicator& communicator) {
  const at::Device device = communicator.device();
  if (device.is_cpu()) return;
  c10::Event done(device.type());
  done.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  communicator.wait_until([&] { return done.query(); }, "an audit");
}

at::Tensor gather_rows(Communicator& communicator, const at::Tensor& own) {
  const at::Tensor all =
      gather_from_ranks(communicator, own.contiguous().to(communicator.device()));
  await_device(communicator);
  return all.to(at::kCPU);
}

void compare_replicas(Communicator& communicator, const Digests& own, const std::string& when) {
  if (communicator.size() == 1) return;
  const at::Tensor rows = gather_rows(communicator, pack(own.all()));
  std::vector<std::vector<Digest>> ranks;
  for (int r = 0; r < communicator.size(); ++r) ranks.push_back(unpack(rows[r]));

  std::vector<std::size_t> differing;
  std::set<int> wrong;
  bool is_decided = true;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const Disagreement d = disagreement_about(i, ranks);
    if (d.others.empty()) continue;
    differing.push_back(i);
    wrong.insert(d.others.begin(), d.others.end());
    is_decided = is_decided && !d.majority.empty();
  }
  if (differing.empty()) return;
  const std::vector<int> suspects(wrong.begin(), wrong.end());
  const std::string tensors =
      differing.size() == 1 ? own.name(differing[0])
                            : fmt::format("{} and {} more of {} tensors", own.name(differing[0]),
                                          differing.size() - 1, own.size());
  if (is_decided) {
    throw CorruptionFound(fmt::format("{} of {} differs {} from that of the other ranks", tensors,
                                      ranks_text(suspects), when),
                          suspects);
  }
  throw CorruptionFound(
      fmt::format("{} differs {} between {}, and no majority tells which is right", tensors, when,
                  ranks_text(suspects)),
      suspects);
}

}  // namespace valley
