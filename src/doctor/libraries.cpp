#include <ATen/Version.h>
#include <dlfcn.h>
#include <hdf5.h>
#include <mpi.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <array>

#include "comm/mpi_session.h"
#include "doctor/checks.h"
#include "doctor/loaded_libraries.h"
#include "doctor/program.h"
#include "doctor/version_rules.h"

namespace valley::doctor {
namespace {

void check_libtorch(const Notes& notes) {
  const std::string built =
      fmt::format("{}.{}.{}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH);
  judge_library(notes, {"LibTorch", "libtorch", built,
                        libtorch_setting(at::show_config(), "TORCH_VERSION"), 2});
}

std::string mpi_built() {
#if defined(OPEN_MPI)
  return fmt::format("{}.{}.{}", OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION);
#elif defined(MPICH_VERSION)
  return MPICH_VERSION;
#else
  return fmt::format("{}.{}", MPI_VERSION, MPI_SUBVERSION);
#endif
}

// An extension of Open MPI and of MPIs derived from it.
std::string cuda_awareness() {
  using Query = int (*)();
  const auto query = reinterpret_cast<Query>(::dlsym(RTLD_DEFAULT, "MPIX_Query_cuda_support"));
  if (query == nullptr) return "";
  return query() != 0 ? ", CUDA-aware" : ", not CUDA-aware (not needed: GPUs use NCCL)";
}

void check_mpi(const Notes& notes) {
  const std::string library = MpiSession::library();
  notes.version("mpi_library", library);
  // "Open MPI v4.1.4": name and version.
  const std::size_t digits = library.find_first_of("0123456789");
  const std::string loaded = digits == std::string::npos ? "unknown" : library.substr(digits);
  const std::string name = library.substr(0, std::min(library.find(" v"), digits));
  judge_library(notes, {name.c_str(), "mpi", mpi_built(), loaded, 1, cuda_awareness()});
}

void check_hdf5(const Notes& notes) {
  std::array<unsigned, 3> version{};
  H5get_libversion(&version[0], &version[1], &version[2]);
  // HDF5 aborts programs that were compiled against another release.
  judge_library(notes, {"HDF5", "hdf5",
                        fmt::format("{}.{}.{}", H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE),
                        fmt::format("{}.{}.{}", version[0], version[1], version[2]), 3});
}

void check_openssl(const Notes& notes) {
  judge_library(notes, {"OpenSSL", "openssl", OPENSSL_FULL_VERSION_STR,
                        OpenSSL_version(OPENSSL_FULL_VERSION_STRING), 1});
}

struct Single {
  const char* library;
  const char* symbol;  // defined by this library only
  bool must_be_one;    // false: two copies are only a warning
};

// Two copies do not share their state: communicators, handles and threads of one are invalid for
// the other.
void check_single(const Notes& notes) {
  constexpr std::array kLibraries{
      Single{"NCCL", "ncclGetVersion", true},
      Single{"CUDA runtime", "cudaRuntimeGetVersion", true},
      Single{"MPI", "MPI_Init", true},
      Single{"HDF5", "H5open", true},
      Single{"OpenMP", "omp_get_num_threads", false},
  };
  std::string counted;
  for (const Single& s : kLibraries) {
    const std::vector<std::string> files = objects_that_define(s.symbol);
    if (files.size() == 1) counted += fmt::format("{}{}", counted.empty() ? "" : ", ", s.library);
    if (files.size() < 2) continue;
    std::string value = fmt::format("loaded {} times:", files.size());
    for (const std::string& file : files) value += " " + file;
    const std::string advice =
        "keep one of them: check LD_PRELOAD, LD_LIBRARY_PATH and the linked libraries";
    if (s.must_be_one) {
      notes.fail(ExitCode::kConfig, std::string("one ") + s.library, value, advice);
    } else {
      notes.warn(std::string("one ") + s.library, value, advice);
    }
  }
  notes.ok("loaded once", counted);
}

}  // namespace

void check_libraries(const Notes& notes) {
  const Program program = this_program();
  notes.version("valley", program.version);
  if (!program.commit.empty()) notes.version("commit", program.commit);
  notes.version("compiler", program.compiler);
  notes.ok("valley", fmt::format("{} ({}){}, built with {}", program.version, program.backend,
                                 program.commit.empty() ? "" : ", commit " + program.commit,
                                 program.compiler));
  // Before the first query of LibTorch's settings, which caches whether its CUDA part is loaded.
  const bool has_cuda = load_cuda_libraries(notes);
  check_libtorch(notes);
  if (has_cuda) check_cuda_libraries(notes);
  check_mpi(notes);
  check_hdf5(notes);
  check_openssl(notes);
  check_single(notes);
}

}  // namespace valley::doctor
