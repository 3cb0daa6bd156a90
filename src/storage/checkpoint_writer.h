// Checkpoints written while training goes on.
//
// `write` hands a checkpoint to a thread that writes it and removes the ones that are no longer
// kept; the next `write` waits for it. What cannot be written is thrown by the next call, so that a
// training does not go on for long without its checkpoints.
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
  // Into `folder`, of which the newest `keep` stay (0: all).
  CheckpointWriter(std::filesystem::path folder, std::int64_t keep);
  ~CheckpointWriter();  // waits for what is being written
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Returns at once unless another checkpoint is still being written, or the system has no thread
  // to spare: then it writes this one itself. The tensors must not be written to afterwards;
  // `copies`, which may be null, fill some of them and are made first. Throws what the earlier
  // checkpoint's writing threw.
  void write(Checkpoint checkpoint, std::shared_ptr<DeferredCopies> copies = nullptr);
  // Throws what the last checkpoint's writing threw, once, if it has ended by now.
  void check();
  // Waits for the last checkpoint to be on disk, or throws why it is not.
  void finish();

 private:
  void write_pending() noexcept;

  std::filesystem::path folder_;
  std::int64_t keep_;
  std::optional<Checkpoint> pending_;       // while it is being written
  std::shared_ptr<DeferredCopies> copies_;  // of it, until they are made
  std::thread thread_;
  std::exception_ptr failure_;       // of the thread; read after it was joined
  std::atomic<bool> ended_ = false;  // it will not write any more
};

}  // namespace valley
