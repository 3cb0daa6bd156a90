# CUDA libraries of LibTorch, after the CUDA toolkit was found. Uses the NCCL and CUDA runtime that the Python package loads, so that
# the process has only one of each; searches the folders of the wheels for CUDA 13 and CUDA 12.
#
# In:  VALLEY_TORCH_ROOT, LibTorch_CUDA_MAJOR and the targets of FindLibTorch.cmake, CUDAToolkit_INCLUDE_DIRS
# Out: LibTorch::cuda, LibTorch::c10_cuda, LibTorch::cudart, LibTorch::nccl, LibTorch::nccl_headers
get_filename_component(_site_packages "${VALLEY_TORCH_ROOT}/.." ABSOLUTE)
find_library(LibTorch_CUDA_LIBRARY torch_cuda REQUIRED PATHS "${VALLEY_TORCH_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CUDART_LIBRARY NAMES libcudart.so.${LibTorch_CUDA_MAJOR} REQUIRED
             HINTS "${_site_packages}/nvidia/cu${LibTorch_CUDA_MAJOR}/lib" "${_site_packages}/nvidia/cuda_runtime/lib"
                   "${CUDAToolkit_LIBRARY_DIR}")
find_library(LibTorch_NCCL_LIBRARY NAMES libnccl.so.2 nccl REQUIRED HINTS "${_site_packages}/nvidia/nccl/lib")
find_path(LibTorch_NCCL_INCLUDE_DIR nccl.h REQUIRED HINTS "${_site_packages}/nvidia/nccl/include")

add_library(LibTorch::cudart SHARED IMPORTED)
set_target_properties(LibTorch::cudart PROPERTIES IMPORTED_LOCATION "${LibTorch_CUDART_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${CUDAToolkit_INCLUDE_DIRS}")
add_library(LibTorch::c10_cuda SHARED IMPORTED)
set_target_properties(LibTorch::c10_cuda PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_CUDA_LIBRARY}"
                      INTERFACE_LINK_LIBRARIES "LibTorch::c10;LibTorch::cudart")
# No code refers to a symbol of torch_cuda: without --no-as-needed the linker drops it and CUDA tensors cannot be created.
add_library(LibTorch::cuda INTERFACE IMPORTED)
target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu LibTorch::c10_cuda
                      "-Wl,--push-state,--no-as-needed,${LibTorch_CUDA_LIBRARY},--pop-state")
add_library(LibTorch::nccl SHARED IMPORTED)
set_target_properties(LibTorch::nccl PROPERTIES IMPORTED_LOCATION "${LibTorch_NCCL_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_NCCL_INCLUDE_DIR}")
add_library(LibTorch::nccl_headers INTERFACE IMPORTED)
target_include_directories(LibTorch::nccl_headers INTERFACE "${LibTorch_NCCL_INCLUDE_DIR}")
