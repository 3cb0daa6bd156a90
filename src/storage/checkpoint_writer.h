// Asynchronous writing of checkpoints.
//
// `write` passes a checkpoint to a thread, which writes it and removes those that are no longer
// kept; the next `write` waits for it. The next call throws if writing failed, so that training
// does not continue for long without checkpoints.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "storage/checkpoint.h"
#include "storage/deferred_copies.h"

namespace valley {

class CheckpointWriter {
 public:
  // Writes into `folder` and keeps the newest `keep` checkpoints there (0: all), and the newest
  // `keep_healthy` of those marked healthy.
  CheckpointWriter(std::filesystem::path folder, std::int64_t keep, std::int64_t keep_healthy = 0);
  ~CheckpointWriter();  // waits for the thread
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // A second folder, of copies that make a restart faster: the newest `keep` stay. A failure there
  // is a warning. Call before the first `write`.
  void set_local(std::filesystem::path folder, std::int64_t keep);
  enum class Targets { kFolder, kLocal, kBoth };

  // Returns at once unless another checkpoint is still being written, or the system refuses a
  // thread: then it writes this one itself. The tensors must not change afterwards; `copies`, which
  // may be null, fill some of them and are made first. Rethrows exceptions of the previous
  // checkpoint.
  void write(Checkpoint checkpoint, std::shared_ptr<DeferredCopies> copies = nullptr,
             Targets targets = Targets::kFolder);
  // True while a checkpoint is being written.
  [[nodiscard]] bool is_busy() const { return thread_.joinable() && !ended_; }
  // Rethrows the exception of the last checkpoint, once, if its writing has ended.
  void check();
  // Waits until the last checkpoint is on disk; rethrows its exception.
  void finish();

 private:
  void write_pending() noexcept;
  void write_local() const;

  std::filesystem::path folder_;
  std::int64_t keep_;
  std::int64_t keep_healthy_;
  std::filesystem::path local_;
  std::int64_t keep_local_ = 0;
  Targets targets_ = Targets::kFolder;      // for `pending_`
  std::optional<Checkpoint> pending_;       // while it is being written
  std::shared_ptr<DeferredCopies> copies_;  // its copies, until they are made
  std::thread thread_;
  std::exception_ptr failure_;       // exception of the thread; read after joining it
  std::atomic<bool> ended_ = false;  // the thread has finished
};

}  // namespace valley
