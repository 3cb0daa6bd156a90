#!/usr/bin/env bash
# Configures and builds: build/valley and the tests. With CUDA where nvcc is found, for the CPU otherwise.
#
#   launch/build.sh [TARGET ...]      default: everything
#
# Environment: VALLEY_BUILD  the build folder (default: build), CMAKE_ARGS  more arguments for CMake
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kBuild="${VALLEY_BUILD:-$PWD/build}"
export PATH="$kVenv/bin:$PATH"

# A rerun that has nothing to do should take no time: configure only a new folder (ninja notices changed CMake files).
if [[ ! -f "$kBuild/build.ninja" ]]; then
  # shellcheck disable=SC2086
  cmake -S . -B "$kBuild" -G Ninja -DVALLEY_VENV="$kVenv" ${CMAKE_ARGS:-}
fi
cmake --build "$kBuild" -j "$(nproc)" ${1:+--target "$@"}
