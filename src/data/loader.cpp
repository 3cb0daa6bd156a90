#include "data/loader.h"

#include <ATen/Functions.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "core/start_threads.h"
#include "flight/trace_recorder.h"

namespace valley {

std::vector<std::string> verify_names() { return {"off", "first-epoch", "always"}; }

Verify parse_verify(const std::string& name) {
  return static_cast<Verify>(choice_of(name, verify_names(), "data.verify"));
}

namespace {

// Size of the piece of a batch that a thread reads at a time: large enough to make the lock cheap,
// small enough to divide a batch of large images among threads.
constexpr std::uint64_t kChunkBytes = 1 << 20;
// The same for images that are decoded, which takes much longer than the lock.
constexpr std::int64_t kMaxDecodedRows = 4;
// Size of the kernel's readahead beyond the current batch.
constexpr std::uint64_t kHintBytes = 64 << 20;
// After so many images in a row that were in memory, the images of one step in kStepsPerHint are
// announced, until one is missing: asking the kernel costs a tenth of reading a cached image.
constexpr std::uint64_t kEnoughInMemory = 1024;
constexpr std::int64_t kStepsPerHint = 8;

// Large pages, where the kernel has them, make copying to a buffer faster. Advice: may fail.
void use_large_pages(const at::Tensor& tensor) {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.mutable_data_ptr());
  const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (begin + tensor.nbytes()) / kPage * kPage;
  if (end > first) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
}

at::Tensor host_buffer(at::IntArrayRef shape, at::ScalarType type, bool pinned) {
  try {
    return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(pinned));
  } catch (const c10::Error& error) {
    throw Error(
        ExitCode::kOutOfMemory,
        "no {}host memory for a batch of {} images in the loader's ring: {}; use fewer batches "
        "in the ring or a smaller global batch",
        pinned ? "pinned " : "", shape[0], error.what_without_backtrace());
  }
}

}  // namespace

// Threads read pieces of batches in the order of steps. A slot holds step s from its first piece
// until the caller requests step s + 1.
class Loader::Ring {
 public:
  Ring(std::shared_ptr<const Dataset> dataset, const Order& order, const LoaderOptions& options);
  ~Ring() {
    for (auto& thread : threads_) thread.request_stop();
  }

  const Batch& next();
  Counters counters() const;

 private:
  struct Slot {
    Batch batch;
    std::uint8_t* pixels = nullptr;
    std::int64_t* labels = nullptr;
    std::int64_t missing_rows = 0;
    bool ready = false;
  };
  struct Piece {
    Slot* slot;
    std::int64_t step;
    std::int64_t first_row;
    std::int64_t rows;
    // Steps [first_hint, end_hint) to announce to the kernel before reading.
    std::int64_t first_hint;
    std::int64_t end_hint;
  };

  void read_until_stopped(const std::stop_token& stop);
  std::optional<Piece> take_piece(const std::stop_token& stop);
  void hint(const Piece& piece);
  bool read(const Piece& piece, const std::stop_token& stop) const;
  void finish(const Piece& piece);
  void fail(std::int64_t step, std::exception_ptr error);

  std::uint64_t first_position(std::int64_t step) const {
    return static_cast<std::uint64_t>(step * options_.global_batch + options_.rank * share_);
  }
  Slot& slot(std::int64_t step) { return slots_[static_cast<std::size_t>(step % options_.depth)]; }

  const std::shared_ptr<const Dataset> dataset_;
  const Order order_;
  const LoaderOptions options_;
  const std::int64_t share_;
  std::int64_t piece_rows_ = 1;
  std::int64_t steps_hinted_ahead_ = 1;
  std::vector<Slot> slots_;
  std::atomic<std::uint64_t> found_in_memory_ = 0;  // images in a row, of those announced

  mutable std::mutex mutex_;
  std::condition_variable batch_is_ready_;
  std::condition_variable_any work_is_there_;
  // All below is guarded by mutex_.
  std::int64_t oldest_step_;   // step that the caller holds or will get next
  bool caller_holds_ = false;  // true if the caller holds the batch of oldest_step_
  std::int64_t step_to_read_;  // step of the next piece
  std::int64_t row_to_read_ = 0;
  std::int64_t step_to_hint_;
  std::int64_t ready_batches_ = 0;
  std::exception_ptr error_;
  std::int64_t step_of_error_ = 0;
  Counters counters_;
  std::uint64_t queue_depths_ = 0;  // summed over calls of next()

  std::vector<std::jthread> threads_;  // last member: destroyed before the data that they use
};

Loader::Ring::Ring(std::shared_ptr<const Dataset> dataset, const Order& order,
                   const LoaderOptions& options)
    : dataset_(std::move(dataset)),
      order_(order),
      options_(options),
      share_(options.global_batch / options.ranks),
      oldest_step_(options.first_step),
      step_to_read_(options.first_step),
      step_to_hint_(options.first_step) {
  const auto image_bytes = std::max<std::uint64_t>(1, dataset_->image_bytes());
  const auto batch_bytes = image_bytes * static_cast<std::uint64_t>(share_);
  const std::int64_t max_rows = dataset_->is_encoded() ? kMaxDecodedRows : share_;
  piece_rows_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(kChunkBytes / image_bytes), 1,
                                         std::min(share_, max_rows));
  steps_hinted_ahead_ =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(kHintBytes / batch_bytes), 1, 64);

  slots_.resize(static_cast<std::size_t>(options.depth));
  for (auto& slot : slots_) {
    slot.batch.pixels =
        host_buffer({share_, dataset_->height(), dataset_->width(), dataset_->channels()},
                    at::kByte, options.pinned);
    if (!options.pinned) use_large_pages(slot.batch.pixels);
    slot.batch.labels = host_buffer({share_}, at::kLong, options.pinned);
    slot.pixels = slot.batch.pixels.mutable_data_ptr<std::uint8_t>();
    slot.labels = slot.batch.labels.mutable_data_ptr<std::int64_t>();
  }
  // With fewer threads than requested the batches are the same.
  const auto read = [this](const std::stop_token& stop) { read_until_stopped(stop); };
  if (start_threads(threads_, static_cast<std::size_t>(options.threads), read) == 0)
    throw no_thread_left("reading batches");
}

void Loader::Ring::read_until_stopped(const std::stop_token& stop) {
  while (const auto piece = take_piece(stop)) {
    try {
      hint(*piece);
      if (!read(*piece, stop)) return;
      finish(*piece);
    } catch (...) {
      fail(piece->step, std::current_exception());
    }
  }
}

// Waits for a free slot; nullopt if the loader was stopped or has failed.
std::optional<Loader::Ring::Piece> Loader::Ring::take_piece(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  work_is_there_.wait(lock, stop,
                      [this] { return error_ || step_to_read_ < oldest_step_ + options_.depth; });
  if (stop.stop_requested() || error_) return std::nullopt;

  Slot& filled = slot(step_to_read_);
  Piece piece{&filled,       step_to_read_,
              row_to_read_,  std::min(piece_rows_, share_ - row_to_read_),
              step_to_hint_, step_to_hint_};
  if (row_to_read_ == 0) {
    filled.batch.step = step_to_read_;
    filled.batch.first_position = first_position(step_to_read_);
    filled.missing_rows = share_;
    piece.end_hint = step_to_read_ + steps_hinted_ahead_ + 1;
    step_to_hint_ = piece.end_hint;
  }
  row_to_read_ += piece.rows;
  if (row_to_read_ == share_) {
    row_to_read_ = 0;
    ++step_to_read_;
  }
  return piece;
}

void Loader::Ring::hint(const Piece& piece) {
  std::vector<std::uint64_t> images;
  for (std::int64_t step = piece.first_hint; step < piece.end_hint; ++step) {
    if (found_in_memory_ >= kEnoughInMemory && step % kStepsPerHint != 0) continue;
    images.clear();
    for (std::int64_t row = 0; row < share_; ++row) {
      images.push_back(order_.image_at(first_position(step) + static_cast<std::uint64_t>(row)));
    }
    const bool are_in_memory = dataset_->prefetch(images) == 0;
    found_in_memory_ = are_in_memory ? found_in_memory_ + images.size() : 0;
  }
}

// False if it was stopped meanwhile.
bool Loader::Ring::read(const Piece& piece, const std::stop_token& stop) const {
  const TraceScope traced(reader_row(), "reading images", piece.step + 1);
  const auto bytes = dataset_->image_bytes();
  for (std::int64_t row = piece.first_row; row < piece.first_row + piece.rows; ++row) {
    if (stop.stop_requested()) return false;
    const auto offset = static_cast<std::uint64_t>(row);
    const std::uint64_t position = first_position(piece.step) + offset;
    const std::uint64_t image = order_.image_at(position);
    const bool verify = options_.verify == Verify::kAlways ||
                        (options_.verify == Verify::kFirstEpoch && order_.is_first_pass(position));
    dataset_->read(image, {piece.slot->pixels + offset * bytes, bytes}, verify);
    piece.slot->labels[row] = dataset_->label(image);
  }
  return true;
}

void Loader::Ring::finish(const Piece& piece) {
  const std::lock_guard lock(mutex_);
  piece.slot->missing_rows -= piece.rows;
  if (piece.slot->missing_rows > 0) return;
  piece.slot->ready = true;
  ++ready_batches_;
  batch_is_ready_.notify_one();
}

// Other threads finish the steps before the failing one, so that the batch that throws does not
// depend on timing.
void Loader::Ring::fail(std::int64_t step, std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (error_ && step_of_error_ <= step) return;
  error_ = std::move(error);
  step_of_error_ = step;
  batch_is_ready_.notify_one();
  work_is_there_.notify_all();
}

const Batch& Loader::Ring::next() {
  std::unique_lock lock(mutex_);
  if (caller_holds_) {
    slot(oldest_step_).ready = false;
    ++oldest_step_;
    caller_holds_ = false;
    work_is_there_.notify_all();
  }
  queue_depths_ += static_cast<std::uint64_t>(ready_batches_);
  Slot& wanted = slot(oldest_step_);
  const auto failed = [this] { return error_ && step_of_error_ <= oldest_step_; };
  if (!wanted.ready && !failed()) {
    const auto start = std::chrono::steady_clock::now();
    batch_is_ready_.wait(lock, [&] { return wanted.ready || failed(); });
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    counters_.wait_seconds += waited.count();
  }
  if (!wanted.ready) std::rethrow_exception(error_);
  caller_holds_ = true;
  --ready_batches_;
  ++counters_.batches;
  counters_.bytes += static_cast<std::uint64_t>(share_) * dataset_->image_bytes();
  counters_.mean_queue_depth =
      static_cast<double>(queue_depths_) / static_cast<double>(counters_.batches);
  return wanted.batch;
}

Loader::Counters Loader::Ring::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, const Order& order,
               const LoaderOptions& options) {
  VALLEY_CHECK(dataset != nullptr && order.size() == dataset->size());
  VALLEY_CHECK(options.ranks >= 1 && options.rank >= 0 && options.rank < options.ranks);
  VALLEY_CHECK(options.global_batch >= 1 && options.global_batch % options.ranks == 0);
  VALLEY_CHECK(options.first_step >= 0 && options.depth >= 1 && options.threads >= 1);
  ring_ = std::make_unique<Ring>(std::move(dataset), order, options);
}

Loader::~Loader() = default;

const Batch& Loader::next() { return ring_->next(); }

Loader::Counters Loader::counters() const { return ring_->counters(); }

}  // namespace valley
