// Members of a stream that can only be read forwards, such as a compressed archive, for readers
// that want them in another order.
//
// The expected order is cut into windows of at most `budget` bytes. A pass over the stream collects
// the members of one window; it continues from where the last pass ended if all of them come later,
// so a build in the order of the stream reads it once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "image/image_source.h"

namespace valley {

// One pass over the listed members, in the order of the stream.
class MemberStream {
 public:
  virtual ~MemberStream() = default;
  // Goes to the next member: true unless the stream has ended.
  [[nodiscard]] virtual bool next() = 0;
  // The bytes of the current member, at most once.
  [[nodiscard]] virtual std::optional<Reject> read(std::string& content) = 0;
};

// A member's place in the stream, counted from 0, and its size.
struct StreamPlace {
  std::uint64_t rank = 0;
  std::uint64_t bytes = 0;
};

class StreamWindows {
 public:
  static constexpr std::uint64_t kBudget = std::uint64_t{512} << 20U;
  using Open = std::function<std::unique_ptr<MemberStream>()>;

  // `places`: of each member, by its index.
  StreamWindows(Open open, std::vector<StreamPlace> places, std::uint64_t budget = kBudget);

  // Members will be taken in nearly this order.
  void expect(ReadingOrder order);
  // Number of passes over the stream that an order needs.
  [[nodiscard]] std::uint64_t passes(const ReadingOrder& order) const;

  // Moves the bytes of a member to `content`. Any thread may call; each member once, those that
  // `expect` did not name at any time with a pass of their own.
  [[nodiscard]] std::optional<Reject> take(std::uint64_t index, std::string& content);

 private:
  struct Member {
    std::string content;
    std::optional<Reject> reject;
  };
  [[nodiscard]] std::vector<std::uint64_t> next_window(std::uint64_t& position,
                                                       const ReadingOrder& order) const;
  // Collects members, which are sorted by rank.
  void collect(const std::vector<std::uint64_t>& wanted);

  Open open_;
  std::vector<StreamPlace> places_;
  std::uint64_t budget_;
  std::mutex mutex_;
  ReadingOrder order_;
  std::uint64_t position_ = 0;  // first position of the next window
  std::unique_ptr<MemberStream> stream_;
  std::uint64_t next_rank_ = 0;  // of the member that stream_->next() goes to
  std::unordered_map<std::uint64_t, Member> held_;
};

}  // namespace valley
