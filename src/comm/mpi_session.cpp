#include "comm/mpi_session.h"

#include <fmt/core.h>
#include <mpi.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <thread>

#include "comm/check.h"
#include "core/error.h"

namespace valley {
namespace {

bool mpi_is_running() {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  return initialized != 0 && finalized == 0;
}

// The message is forwarded by the launcher, which drops pending output at an abort (with srun in
// one of eight aborts): wait for it.
void let_launcher_read() {
  using namespace std::chrono_literals;
  constexpr int kMost = 100;
  int unread = 0;
  for (int i = 0; i < kMost; ++i) {
    if (::ioctl(STDERR_FILENO, FIONREAD, &unread) != 0 || unread == 0) break;
    std::this_thread::sleep_for(10ms);
  }
  std::this_thread::sleep_for(300ms);
}

// A call that MPI rejects as invalid is a bug; other errors have external causes.
bool is_callers_fault(int error_class) {
  switch (error_class) {
    case MPI_ERR_BUFFER:
    case MPI_ERR_COUNT:
    case MPI_ERR_TYPE:
    case MPI_ERR_TAG:
    case MPI_ERR_COMM:
    case MPI_ERR_RANK:
    case MPI_ERR_ROOT:
    case MPI_ERR_OP:
    case MPI_ERR_ARG:
    case MPI_ERR_TRUNCATE:
      return true;
    default:
      return false;
  }
}

}  // namespace

void fail_mpi(int code, const char* expression, const char* file, int line) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  int error_class = MPI_ERR_UNKNOWN;
  MPI_Error_string(code, text.data(), &length);
  MPI_Error_class(code, &error_class);
  const std::string_view path(file);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (is_callers_fault(error_class)) {
    throw Error(ExitCode::kInternal,
                "{}: {} failed at {}:{}: {}; the ranks did not make the same call", this_rank(),
                expression, name, line, text.data());
  }
  throw Error(ExitCode::kRankLost,
              "{}: {} failed at {}:{}: {}; another rank or the network to it is lost: see the "
              "other ranks' messages, then start the job again",
              this_rank(), expression, name, line, text.data());
}

MpiSession::MpiSession(const LaunchInfo& expected)
    : exceptions_when_built_(std::uncaught_exceptions()) {
  // Ranks that wait yield their core to other threads, such as the loader's, and to other ranks.
  // This costs nothing if each has its own core. Open MPI reads this at startup.
  ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  int provided = MPI_THREAD_SINGLE;
  CHECK_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided));
  CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  if (provided < MPI_THREAD_SERIALIZED) {
    throw Error(ExitCode::kConfig,
                "{} does not allow MPI calls from several threads (it gives thread level {}, "
                "MPI_THREAD_SERIALIZED is {}); use a build of MPI with thread support",
                library(), provided, int{MPI_THREAD_SERIALIZED});
  }
  int size = 0;
  CHECK_MPI(MPI_Comm_size(MPI_COMM_WORLD, &size));
  if (size != expected.size) {
    throw Error(
        ExitCode::kConfig,
        "{}: the launcher started {} processes, but {} finds {} of them; start with the "
        "mpirun of that same MPI, or with `srun --mpi=pmix` (or --mpi=pmi2) as it was built",
        this_rank(), expected.size, library(), size);
  }
}

MpiSession::~MpiSession() {
  if (std::uncaught_exceptions() > exceptions_when_built_ || !mpi_is_running()) return;
  MPI_Finalize();
}

std::string MpiSession::library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string whole(text.data());
  return whole.substr(0, whole.find_first_of(",\n"));
}

void abort_job(int exit_code) {
  std::fflush(nullptr);
  if (mpi_is_running()) {
    let_launcher_read();
    // MPI_Abort asks the launcher to end the job. If that does not respond, the alarm ends this
    // process, and the launcher, if it still runs, ends the job.
    std::signal(SIGALRM, SIG_DFL);
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, nullptr);
    alarm(10);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
  }
  std::_Exit(exit_code);
}

}  // namespace valley
