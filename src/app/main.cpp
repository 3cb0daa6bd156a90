// The program: parses the command line, runs a command, and turns an error into one message and an
// exit code.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "app/help.h"
#include "app/passive_waiting.h"
#include "app/version.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"
#include "run/failure.h"

namespace valley::app {
namespace {

constexpr const char* kMainHelp =
    "Valley trains energy-based generative models, data-parallel over MPI ranks. The number of "
    "ranks\n"
    "does not change the algorithm, and with train.reproducible=true not a bit of the result.\n\n"
    "Examples:\n"
    "  valley shard build --source NotoColorEmoji.ttf --dest data/emoji-64 --resolution 64\n"
    "  mpirun -n 2 valley train configs/began-64.toml data.path=data/emoji-64\n"
    "  valley sample runs/00000-began-64 --seeds 0-63 -o grid.png";

// Seconds that the other ranks wait while rank 0 prints an error that all ranks have. When rank 0
// exits, the launcher ends them.
constexpr unsigned kRankZeroSeconds = 3;

// Continues to wait after a signal, because this rank may be the only one that can print the error.
// A signal usually means that the launcher ends the job after rank 0 exited, and will soon kill
// this rank, so the wait starts again once.
void wait_for_rank_zero() {
  if (::sleep(kRankZeroSeconds) == 0) return;
  unsigned left = kRankZeroSeconds;
  while (left > 0) left = ::sleep(left);
}

std::string command_line(int argc, char** argv) {
  std::string text;
  for (int i = 0; i < argc; ++i) text += (i == 0 ? "" : " ") + std::string(argv[i]);
  return text;
}

// All ranks have the same command line: rank 0 prints the error, the others wait for it.
int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const bool is_error = error.get_exit_code() != 0;
  if (launch_info().rank != 0) {
    if (is_error) wait_for_rank_zero();
    return is_error ? static_cast<int>(ExitCode::kUsage) : 0;
  }
  if (is_error) {
    log::error("{}", usage_message(app, error));
  } else {
    app.exit(error);  // --help or --version, on stdout
  }
  return is_error ? static_cast<int>(ExitCode::kUsage) : 0;
}

// These errors occur before the first collective and on all ranks: rank 0 prints them, the others
// wait for it.
[[noreturn]] void fail(ExitCode code, const std::string& message) {
  const bool is_on_all_ranks =
      code == ExitCode::kUsage || code == ExitCode::kConfig || code == ExitCode::kMissingInput;
  if (is_on_all_ranks && launch_info().rank != 0) wait_for_rank_zero();
  log::error("{}", message);
  abort_job(static_cast<int>(code));
}

// Opens standard streams that the caller closed. Otherwise a file could get their descriptor, and
// messages would be written into it. Writes to a closed stdout still fail.
void open_closed_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    const int flags = descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", flags) != descriptor) std::_Exit(static_cast<int>(ExitCode::kIo));
  }
}

constexpr std::string_view kCpuLimitNotice =
    "error: the limit on CPU time (ulimit -t) is reached: raise it and run the command again\n";

void end_at_cpu_limit(int /*signal*/) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, kCpuLimitNotice.data(), kCpuLimitNotice.size());
  ::_exit(static_cast<int>(ExitCode::kStoppedEarly));
}

// `ulimit -t N` sets both limits on CPU time, and the kernel kills the process at the hard limit.
// Moves the soft limit before it by a tenth, 1 to 60 s, which leaves time for a checkpoint.
void leave_time_before_cpu_limit() {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return;
  const ::rlim_t margin = std::clamp<::rlim_t>(limit.rlim_max / 10, 1, 60);
  if (limit.rlim_max <= margin || limit.rlim_cur <= limit.rlim_max - margin) return;
  limit.rlim_cur = limit.rlim_max - margin;
  ::setrlimit(RLIMIT_CPU, &limit);
}

// Turns signals of system limits into errors with a message and an exit code. A write to a file
// that is too large fails with EFBIG; a closed stderr pipe does not end the command. Training
// handles XCPU itself (run/stop_signal.h).
void handle_limit_signals() {
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXCPU, end_at_cpu_limit);
  leave_time_before_cpu_limit();
}

// If the reader of standard output closed the pipe (such as `head`), ends by SIGPIPE without a
// message, as other programs do.
void end_if_stdout_pipe_closed() {
  ::pollfd output{STDOUT_FILENO, 0, 0};
  if (::poll(&output, 1, 0) != 1 || (output.revents & POLLERR) == 0) return;
  std::signal(SIGPIPE, SIG_DFL);
  ::raise(SIGPIPE);
}

bool stdout_has_failed() { return std::ferror(stdout) != 0 || !std::cout.good(); }

// Throws kCannotWrite if not all results were written.
void require_stdout_written() {
  std::cout.flush();
  errno = 0;
  if (std::fflush(stdout) == 0 && !stdout_has_failed()) return;
  end_if_stdout_pipe_closed();
  throw Error(ExitCode::kCannotWrite, "writing to standard output: {}",
              errno == 0 ? "it is closed or full" : std::strerror(errno));
}

int run(int argc, char** argv) {
  CLI::App app(kMainHelp, "valley");
  use_help_layout(app);
  app.set_version_flag("--version", version_text);
  app.require_subcommand(1);
  add_train_command(app, command_line(argc, argv));
  add_shard_command(app);
  add_sample_command(app);
  add_restore_command(app);
  add_evaluate_command(app);
  add_energy_command(app);
  add_classify_command(app);
  add_infer_command(app);
  add_report_command(app);
  add_runs_command(app);
  add_bench_command(app);
  add_doctor_command(app);
  add_completion_command(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& result) {
    return result.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return 0;
}

}  // namespace
}  // namespace valley::app

int main(int argc, char** argv) {
  valley::app::wait_passively(argc, argv);
  const valley::LaunchInfo launch = valley::launch_info();
  valley::log::set_rank(launch.rank, launch.size);
  valley::app::open_closed_standard_streams();
  valley::app::handle_limit_signals();
  valley::report_sudden_ends();
  try {
    const int code = valley::app::run(argc, argv);
    valley::app::require_stdout_written();
    return code;
  } catch (...) {
    const valley::Failure failure = valley::current_failure();
    if (valley::app::stdout_has_failed()) valley::app::end_if_stdout_pipe_closed();
    valley::app::fail(failure.code, failure.message);
  }
}
