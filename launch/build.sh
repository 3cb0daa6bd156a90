#!/usr/bin/env bash
# Configures and builds: build/valley and the tests. With CUDA where nvcc is found, for the CPU otherwise. Files are compiled in
# batches (a unity build), which takes a third of the time; to work on the code, `cmake --preset dev` compiles each alone.
#
#   launch/build.sh [TARGET ...]      default: everything
#
# Environment: VALLEY_BUILD  the build folder (default: build), CMAKE_ARGS  more arguments for CMake
set -euo pipefail
# Variables that change what cd prints, what grep does and which syntax bash takes.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kBuild="${VALLEY_BUILD:-$PWD/build}"
export PATH="$kVenv/bin:$PATH"

refuse() {
  printf 'build: %s\n' "$*" >&2
  exit 1
}

if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
  refuse "cmake and ninja are needed: run launch/setup.sh, or put them on the PATH (docs/building.md)"
fi
# A rerun that has nothing to do should take no time: configure only a new folder (ninja notices changed CMake files).
if [[ ! -f "$kBuild/build.ninja" ]]; then
  # shellcheck disable=SC2086
  cmake -S . -B "$kBuild" -G Ninja -DVALLEY_VENV="$kVenv" ${CMAKE_ARGS:-} ||
    refuse "configuring failed, for the reason above; CMAKE_ARGS='-D...' passes more settings (docs/building.md)"
fi
# Done and all steps, time so far, time left (ninja 1.12 knows it from the last build, or from the steps so far).
if [[ "$(printf '%s\n' 1.12 "$(ninja --version)" | sort -V | head -n 1)" == 1.12 ]]; then
  export NINJA_STATUS="${NINJA_STATUS-[%f/%t, %w, %W left] }"
fi
cmake --build "$kBuild" -j "$(nproc)" ${1:+--target "$@"} ||
  refuse "compiling failed, for the first error above; where memory ran out: cmake --build $kBuild -j 1"
# A CPU-only program on a machine with a GPU is rarely meant.
if (($# == 0)) && [[ -x "$kBuild/valley" ]]; then
  made="$("$kBuild/valley" --version | head -n 1)"
  printf 'build: %s\n' "$made" >&2
  if [[ "$made" != *CUDA* ]] && compgen -G '/dev/nvidia[0-9]*' >/dev/null; then
    printf 'build: warning: %s\n' "this machine has a GPU, and the program is for CPUs alone: no nvcc was found. Run launch/setup.sh, remove $kBuild and build again" >&2
  fi
fi
