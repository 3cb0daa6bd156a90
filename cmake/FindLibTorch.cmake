# LibTorch from the PyPI package `torch` or an unpacked libtorch, without TorchConfig.cmake, which requires a CUDA toolkit and sets
# compiler options: only include folders and four libraries are needed.
#
# In:  VALLEY_TORCH_ROOT  folder holding include/ and lib/; default: from Torch_DIR, else the .venv of the checkout
# Out: LibTorch::c10, LibTorch::cpu, LibTorch::openmp (empty where LibTorch_OPENMP_LIBRARY was not found), LibTorch_VERSION, LibTorch_CUDA_MAJOR (12, 13, ...; empty: built without CUDA).
#      cmake/LibTorchCuda.cmake adds targets that need the CUDA toolkit.
if(NOT VALLEY_TORCH_ROOT AND Torch_DIR)
  get_filename_component(VALLEY_TORCH_ROOT "${Torch_DIR}/../../.." ABSOLUTE)
endif()
if(NOT VALLEY_TORCH_ROOT)
  file(GLOB _torch_candidates "${VALLEY_VENV}/lib/python3*/site-packages/torch")
  list(APPEND _torch_candidates "")
  list(GET _torch_candidates 0 VALLEY_TORCH_ROOT)
endif()
set(VALLEY_TORCH_ROOT "${VALLEY_TORCH_ROOT}" CACHE PATH "Folder of LibTorch (include/, lib/)" FORCE)

find_path(LibTorch_INCLUDE_DIR ATen/core/Tensor.h PATHS "${VALLEY_TORCH_ROOT}/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
if(LibTorch_INCLUDE_DIR)
  find_file(LibTorch_VERSION_HEADER NAMES torch/headeronly/version.h torch/csrc/api/include/torch/version.h
            PATHS "${LibTorch_INCLUDE_DIR}" NO_DEFAULT_PATH)
  file(STRINGS "${LibTorch_VERSION_HEADER}" _torch_version REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]+" "" _torch_version "${_torch_version}")
  string(REPLACE ";" "." LibTorch_VERSION "${_torch_version}")
endif()
# The OpenMP library that libtorch_cpu.so loads: a second one in the process would have threads of its own.
if(LibTorch_CPU_LIBRARY AND NOT LibTorch_OPENMP_LIBRARY)
  execute_process(COMMAND "${CMAKE_READELF}" -d "${LibTorch_CPU_LIBRARY}" OUTPUT_VARIABLE _dynamic ERROR_QUIET)
  if(_dynamic MATCHES "NEEDED[^\n]*\\[(libgomp[^]]*)\\]")
    find_library(LibTorch_OPENMP_LIBRARY "${CMAKE_MATCH_1}"
                 HINTS "${VALLEY_TORCH_ROOT}/lib" "${VALLEY_TORCH_ROOT}/../torch.libs" ${CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES})
  endif()
  if(NOT LibTorch_OPENMP_LIBRARY OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(LibTorch_OPENMP_LIBRARY "")
    message(STATUS "Valley's own CPU kernels run on one thread per rank: several threads require GCC and a LibTorch that uses libgomp")
  endif()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR}")
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}"
                        INTERFACE_LINK_LIBRARIES LibTorch::c10)
  add_library(LibTorch::openmp INTERFACE IMPORTED)
  target_link_libraries(LibTorch::openmp INTERFACE ${LibTorch_OPENMP_LIBRARY})

  # CUDA version at build time, from the name of the CUDA runtime that it loads.
  set(LibTorch_CUDA_MAJOR "")
  find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
  if(LibTorch_C10_CUDA_LIBRARY)
    file(STRINGS "${LibTorch_C10_CUDA_LIBRARY}" _runtime REGEX "^libcudart[-.0-9a-f]*\\.so\\.[0-9]+" LIMIT_COUNT 1)
    string(REGEX REPLACE "^libcudart[^ ]*\\.so\\.([0-9]+).*" "\\1" LibTorch_CUDA_MAJOR "${_runtime}")
  endif()
endif()
