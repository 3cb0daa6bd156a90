#!/usr/bin/env bash
# Configures and builds build/valley and the tests, with CUDA if nvcc is found. Files are compiled in batches (a unity build), which
# takes a third of the time; `cmake --preset dev` compiles each file alone.
#
#   launch/build.sh [TARGET ...]      default: everything
#
# Environment: VALLEY_BUILD  the build folder (default: build), CMAKE_ARGS  more arguments for CMake
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "launch/${BASH_SOURCE[0]##*/}"
  exit 0
fi

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
# Configures a new folder only, so that a rerun without changes is fast (ninja detects changed CMake files).
if [[ ! -f "$kBuild/build.ninja" ]]; then
  # shellcheck disable=SC2086
  cmake -S . -B "$kBuild" -G Ninja -DVALLEY_VENV="$kVenv" ${CMAKE_ARGS:-} ||
    refuse "configuring failed, for the reason above; CMAKE_ARGS='-D...' passes more settings (docs/building.md)"
fi
# Finished and total steps, elapsed and remaining time (ninja 1.12 and newer).
if [[ "$(printf '%s\n' 1.12 "$(ninja --version)" | sort -V | head -n 1)" == 1.12 ]]; then
  export NINJA_STATUS="${NINJA_STATUS-[%f/%t, %w, %W left] }"
fi
cmake --build "$kBuild" -j "$(nproc)" ${1:+--target "$@"} ||
  refuse "compiling failed, for the first error above; if memory ran out: cmake --build $kBuild -j 1"
# A CPU-only program on a machine with a GPU is rarely intended.
if (($# == 0)) && [[ -x "$kBuild/valley" ]]; then
  built="$("$kBuild/valley" --version | head -n 1)"
  printf 'build: %s\n' "$built" >&2
  if [[ "$built" != *CUDA* ]] && compgen -G '/dev/nvidia[0-9]*' >/dev/null; then
    printf 'build: warning: %s\n' "this machine has a GPU, but the program is CPU-only, because no nvcc was found. Run launch/setup.sh, remove $kBuild and build again" >&2
  fi
fi
