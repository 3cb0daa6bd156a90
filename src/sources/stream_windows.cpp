#include "sources/stream_windows.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace valley {

StreamWindows::StreamWindows(Open open, std::vector<StreamPlace> places, std::uint64_t budget)
    : open_(std::move(open)), places_(std::move(places)), budget_(budget) {}

void StreamWindows::expect(ReadingOrder order) {
  const std::lock_guard lock(mutex_);
  order_ = std::move(order);
  position_ = order_.first;
}

// Members larger than the budget are left out: `take` reads each with a pass of its own.
std::vector<std::uint64_t> StreamWindows::next_window(std::uint64_t& position,
                                                      const ReadingOrder& order) const {
  std::vector<std::uint64_t> window;
  std::uint64_t bytes = 0;
  for (; position < order.end; ++position) {
    const std::uint64_t index = order.at(position);
    if (places_[index].bytes > budget_) continue;
    if (bytes + places_[index].bytes > budget_) break;
    bytes += places_[index].bytes;
    window.push_back(index);
  }
  std::ranges::sort(window, {}, [this](std::uint64_t index) { return places_[index].rank; });
  return window;
}

std::uint64_t StreamWindows::passes(const ReadingOrder& order) const {
  std::uint64_t passes = 0;
  std::uint64_t next_rank = UINT64_MAX;
  for (std::uint64_t position = order.first; position < order.end;) {
    const std::vector<std::uint64_t> window = next_window(position, order);
    if (window.empty()) break;
    if (passes == 0 || places_[window.front()].rank < next_rank) ++passes;
    next_rank = places_[window.back()].rank + 1;
  }
  return passes;
}

void StreamWindows::collect(const std::vector<std::uint64_t>& wanted) {
  if (!stream_ || places_[wanted.front()].rank < next_rank_) {
    stream_ = open_();
    next_rank_ = 0;
  }
  for (const std::uint64_t index : wanted) {
    Member& member = held_[index];
    bool is_there = true;
    while (is_there && next_rank_ <= places_[index].rank) {
      is_there = stream_->next();
      ++next_rank_;
    }
    member.reject = is_there ? stream_->read(member.content)
                             : Reject{"changed", "the archive became shorter while it was read"};
  }
}

std::optional<Reject> StreamWindows::take(std::uint64_t index, std::string& content) {
  const std::lock_guard lock(mutex_);
  while (!held_.contains(index) && position_ < order_.end && places_[index].bytes <= budget_) {
    const std::vector<std::uint64_t> window = next_window(position_, order_);
    if (window.empty()) break;
    collect(window);
  }
  if (!held_.contains(index)) collect({index});
  Member member = std::move(held_.extract(index).mapped());
  if (member.reject) return std::move(member.reject);
  content = std::move(member.content);
  return std::nullopt;
}

}  // namespace valley
