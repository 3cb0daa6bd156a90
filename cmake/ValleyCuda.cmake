# Decides whether CUDA kernels and NCCL are built, and selects nvcc.
#
# In:  VALLEY_CUDA          AUTO (on where nvcc and a LibTorch with CUDA are found), ON, OFF
#      LibTorch_CUDA_MAJOR  from FindLibTorch.cmake
# Out: VALLEY_CUDA ON or OFF; where ON, the language CUDA, the toolkit, LibTorch's CUDA targets, and
#      VALLEY_CUDA_ARCHITECTURES, compute capabilities times ten

# The nvcc that launch/setup.sh installed beside LibTorch, else that of a toolkit, which is often not on the PATH.
if(VALLEY_CUDA AND NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(VALLEY_NVCC nvcc HINTS "${VALLEY_TORCH_ROOT}/../nvidia/cu${LibTorch_CUDA_MAJOR}/bin" ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(VALLEY_NVCC)
  if(VALLEY_NVCC)
    set(CMAKE_CUDA_COMPILER "${VALLEY_NVCC}")
  endif()
endif()

# Kernels and LibTorch of different CUDA versions would load two CUDA runtimes into one process: report that before compiling. With
# a LibTorch without CUDA, build for the CPU unless CUDA was requested.
function(valley_compare_cuda_versions)
  if(NOT LibTorch_CUDA_MAJOR)
    if(VALLEY_CUDA STREQUAL "AUTO")
      message(STATUS "The LibTorch in ${VALLEY_TORCH_ROOT} was built without CUDA: building for the CPU")
      set(VALLEY_CUDA OFF PARENT_SCOPE)
      return()
    endif()
    message(FATAL_ERROR "CUDA was requested (VALLEY_CUDA=${VALLEY_CUDA}), but the LibTorch in ${VALLEY_TORCH_ROOT} was built "
      "without it. "
      "Name one with CUDA by -DTorch_DIR=.../torch/share/cmake/Torch, or pass -DVALLEY_CUDA=OFF.")
  endif()
  set(nvcc "${CMAKE_CUDA_COMPILER}")
  if(NOT nvcc)
    set(nvcc "$ENV{CUDACXX}")
  endif()
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE says ERROR_QUIET)
  if(says MATCHES "release ([0-9]+)\\.([0-9]+)" AND NOT CMAKE_MATCH_1 EQUAL LibTorch_CUDA_MAJOR)
    message(FATAL_ERROR "nvcc is of CUDA ${CMAKE_MATCH_1}.${CMAKE_MATCH_2} (${nvcc}), but the LibTorch in ${VALLEY_TORCH_ROOT} "
      "was built with CUDA ${LibTorch_CUDA_MAJOR}: both must be of one major version. "
      "Name an nvcc of CUDA ${LibTorch_CUDA_MAJOR} by -DCMAKE_CUDA_COMPILER=.../bin/nvcc, a LibTorch for CUDA ${CMAKE_MATCH_1} "
      "by -DTorch_DIR=.../torch/share/cmake/Torch, or pass -DVALLEY_CUDA=OFF.")
  endif()
endfunction()

if(VALLEY_CUDA AND (CMAKE_CUDA_COMPILER OR DEFINED ENV{CUDACXX}))
  valley_compare_cuda_versions()
endif()
if(VALLEY_CUDA STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(VALLEY_CUDA ON)
  else()
    set(VALLEY_CUDA OFF)
  endif()
endif()
if(VALLEY_CUDA)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90 100)
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  enable_language(CUDA)
  # The driver compiles for newer GPUs from the intermediate code of the newest architecture; that of the others would only take
  # space. Names such as "native" stay as they are.
  set(VALLEY_CUDA_ARCHITECTURES ${CMAKE_CUDA_ARCHITECTURES})
  if("${CMAKE_CUDA_ARCHITECTURES}" MATCHES "^[0-9;]+$")
    list(SORT VALLEY_CUDA_ARCHITECTURES COMPARE NATURAL)
    list(TRANSFORM VALLEY_CUDA_ARCHITECTURES APPEND "-real" OUTPUT_VARIABLE CMAKE_CUDA_ARCHITECTURES)
    list(POP_BACK CMAKE_CUDA_ARCHITECTURES newest)
    string(REPLACE "-real" "" newest "${newest}")
    list(APPEND CMAKE_CUDA_ARCHITECTURES "${newest}")
  endif()
  if(LibTorch_CUDA_MAJOR GREATER_EQUAL 13)
    # A fifth of the size in every program. Drivers older than those of CUDA 12.4 cannot read it.
    string(APPEND CMAKE_CUDA_FLAGS " --compress-mode=size")
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  find_package(CUDAToolkit REQUIRED)
  include(LibTorchCuda)
endif()
