# LibTorch as the PyPI package `torch` (or an unpacked libtorch) brings it, without TorchConfig.cmake: that file insists on a
# CUDA toolkit and on settings of its own, and all that is needed is include folders and four libraries.
#
# In:  VALLEY_TORCH_ROOT  folder holding include/ and lib/; default: from Torch_DIR, else the .venv of the checkout
# Out: LibTorch::cpu and, when VALLEY_CUDA is on, LibTorch::cuda, LibTorch::cudart, LibTorch::nccl
if(NOT VALLEY_TORCH_ROOT AND Torch_DIR)
  get_filename_component(VALLEY_TORCH_ROOT "${Torch_DIR}/../../.." ABSOLUTE)
endif()
if(NOT VALLEY_TORCH_ROOT)
  file(GLOB _torch_candidates "${VALLEY_VENV}/lib/python3*/site-packages/torch")
  list(APPEND _torch_candidates "")
  list(GET _torch_candidates 0 VALLEY_TORCH_ROOT)
endif()
set(VALLEY_TORCH_ROOT "${VALLEY_TORCH_ROOT}" CACHE PATH "Folder of LibTorch (include/, lib/)")

find_path(LibTorch_INCLUDE_DIR ATen/core/Tensor.h PATHS "${VALLEY_TORCH_ROOT}/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run launch/setup.sh, or pass -DTorch_DIR=.../torch/share/cmake/Torch")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  find_file(LibTorch_VERSION_HEADER NAMES torch/headeronly/version.h torch/csrc/api/include/torch/version.h
            PATHS "${LibTorch_INCLUDE_DIR}" NO_DEFAULT_PATH)
  file(STRINGS "${LibTorch_VERSION_HEADER}" _torch_version REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]+" "" _torch_version "${_torch_version}")
  string(REPLACE ";" "." LibTorch_VERSION "${_torch_version}")

  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR}")
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}"
                        INTERFACE_LINK_LIBRARIES LibTorch::c10)

  if(VALLEY_CUDA)
    # One NCCL and one CUDA runtime in the process: those that the Python package itself loads.
    get_filename_component(_site_packages "${VALLEY_TORCH_ROOT}/.." ABSOLUTE)
    find_library(LibTorch_CUDA_LIBRARY torch_cuda REQUIRED PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
    find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda REQUIRED PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
    find_library(LibTorch_CUDART_LIBRARY NAMES libcudart.so.13 libcudart.so.12 cudart REQUIRED
                 HINTS "${_site_packages}/nvidia/cu13/lib" "${_site_packages}/nvidia/cuda_runtime/lib")
    find_library(LibTorch_NCCL_LIBRARY NAMES libnccl.so.2 nccl REQUIRED HINTS "${_site_packages}/nvidia/nccl/lib")
    find_path(LibTorch_NCCL_INCLUDE_DIR nccl.h REQUIRED HINTS "${_site_packages}/nvidia/nccl/include")

    add_library(LibTorch::cudart SHARED IMPORTED)
    set_target_properties(LibTorch::cudart PROPERTIES IMPORTED_LOCATION "${LibTorch_CUDART_LIBRARY}"
                          INTERFACE_INCLUDE_DIRECTORIES "${CUDAToolkit_INCLUDE_DIRS}")
    add_library(LibTorch::c10_cuda SHARED IMPORTED)
    set_target_properties(LibTorch::c10_cuda PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_CUDA_LIBRARY}"
                          INTERFACE_LINK_LIBRARIES "LibTorch::c10;LibTorch::cudart")
    # Nothing refers to a symbol of torch_cuda: without --no-as-needed the linker drops it and no CUDA tensor can be made.
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu LibTorch::c10_cuda
                          "-Wl,--push-state,--no-as-needed,${LibTorch_CUDA_LIBRARY},--pop-state")
    add_library(LibTorch::nccl SHARED IMPORTED)
    set_target_properties(LibTorch::nccl PROPERTIES IMPORTED_LOCATION "${LibTorch_NCCL_LIBRARY}"
                          INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_NCCL_INCLUDE_DIR}")
  endif()
endif()
