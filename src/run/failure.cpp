#include "run/failure.h"

#include <c10/util/Exception.h>
#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "comm/world.h"
#include "core/log.h"
#include "core/start_threads.h"
#include "kernels/openmp_threads.h"
#include "kernels/out_of_memory.h"

namespace valley {
namespace {

constexpr const char* kMemoryAdvice =
    "; free some memory, use a host with more memory, or train a smaller model";

std::mutex terminate_mutex;
std::function<void(const Failure&)> terminate_record;

// A CUDA error is followed by hints for developers and a stack trace of unrelated host code: both
// are removed.
std::string describe(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  if (text.find("CUDA error: ") == std::string::npos) return text;
  return fmt::format(
      "{}: {}; this process cannot use the GPU any more. Resume the run. If it fails again, "
      "CUDA_LAUNCH_BLOCKING=1 shows the failing call; an Xid in `dmesg` is a fault of the GPU or "
      "its driver",
      this_rank(), text.substr(0, text.find('\n')));
}

[[noreturn]] void end_with(const Failure& failure) {
  static std::atomic<bool> is_ending{false};
  while (is_ending.exchange(true)) ::pause();  // another thread ends the process
  try {
    const std::lock_guard lock(terminate_mutex);
    if (terminate_record) terminate_record(failure);
  } catch (const std::exception& second) {
    log::warn("this failure could not be recorded in exit.json: {}", second.what());
  }
  log::error("{}", failure.message);
  abort_job(static_cast<int>(failure.code));
}

[[noreturn]] void end_by_terminate() {
  end_with(std::current_exception() ? current_failure()
                                    : Failure{ExitCode::kInternal, "std::terminate was called"});
}

// OpenMP calls exit(1) if the system does not let it create a thread.
void check_exit(int status, void* /*unused*/) {
  if (status != EXIT_FAILURE || !threads_are_refused()) return;
  const Error error = no_thread_left("computing");
  end_with({error.code(), error.what()});
}

}  // namespace

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again)
      return {ExitCode::kInternal, error.what()};
    const Error refused = no_thread_left("a library");
    return {refused.code(), refused.what()};
  } catch (const std::exception& error) {
    if (const auto memory = out_of_memory_text(error))
      return {ExitCode::kOutOfMemory, *memory + kMemoryAdvice};
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    return {ExitCode::kInternal, torch == nullptr ? error.what() : describe(*torch)};
  } catch (...) {
    return {ExitCode::kInternal, "an exception that is not a std::exception"};
  }
}

void report_sudden_ends() {
  std::set_terminate(end_by_terminate);
  ::on_exit(check_exit, nullptr);
}

TerminateRecord::TerminateRecord(std::function<void(const Failure&)> record) {
  const std::lock_guard lock(terminate_mutex);
  terminate_record = std::move(record);
}

TerminateRecord::~TerminateRecord() {
  const std::lock_guard lock(terminate_mutex);
  terminate_record = nullptr;
}

}  // namespace valley
