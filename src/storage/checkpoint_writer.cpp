#include "storage/checkpoint_writer.h"

#include <c10/util/ParallelGuard.h>

#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/start_threads.h"

namespace valley {

CheckpointWriter::CheckpointWriter(std::filesystem::path folder, std::int64_t keep,
                                   std::int64_t keep_healthy)
    : folder_(std::move(folder)), keep_(keep), keep_healthy_(keep_healthy) {}

CheckpointWriter::~CheckpointWriter() {
  if (thread_.joinable()) thread_.join();
}

void CheckpointWriter::set_local(std::filesystem::path folder, std::int64_t keep) {
  local_ = std::move(folder);
  keep_local_ = keep;
}

void CheckpointWriter::write(Checkpoint checkpoint, std::shared_ptr<DeferredCopies> copies,
                             Targets targets) {
  finish();
  targets_ = targets;
  ended_ = false;
  pending_ = std::move(checkpoint);
  copies_ = std::move(copies);
  try {
    thread_ = start_thread("writing checkpoints", [this] { write_pending(); });
    return;
  } catch (const Error&) {  // no thread left
  }
  write_pending();
  finish();
}

void CheckpointWriter::write_pending() noexcept {
  const c10::ParallelGuard alone(true);  // one thread: training uses the other cores
  try {
    if (copies_) std::exchange(copies_, nullptr)->make();
    if (targets_ != Targets::kFolder) write_local();  // first, because it is faster
    if (targets_ != Targets::kLocal) {
      write_checkpoint(folder_, *pending_);
      prune_checkpoints(folder_, keep_, keep_healthy_);
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
  pending_.reset();
  ended_ = true;
}

void CheckpointWriter::write_local() const {
  try {
    write_checkpoint(local_, *pending_);
    prune_checkpoints(local_, keep_local_);
  } catch (const Error& error) {
    log::warn("step {} has no local copy: {}", pending_->step, error.what());
  }
}

void CheckpointWriter::check() {
  if (ended_) finish();
}

void CheckpointWriter::finish() {
  if (thread_.joinable()) thread_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace valley
