#!/usr/bin/env bash
# Sets up, builds and runs the tests: C++ unit tests under ctest (some under mpirun), then interop and whole-program tests under
# pytest, as many at a time as the cores allow. Each runner ends with one line that counts; the last lines say how long each part
# took.
#
#   tests/run.sh             every test
#   tests/run.sh --quick     for work in progress: unit tests and one whole-program test per topic
#   tests/run.sh --all       also slow checks: each file compiled alone, unit tests under AddressSanitizer
#
# Environment: VALLEY_BUILD  the build folder (default: build), VALLEY_VENV  the Python environment (default: .venv)
# shellcheck disable=SC2317  # the functions are called through `timed`
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

mode="${1:-}"
case "$mode" in
  "" | --quick | --all) ;;
  *)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    [[ "$mode" == --help || "$mode" == -h ]] && exit 0
    exit 2
    ;;
esac

export VALLEY_BUILD="${VALLEY_BUILD:-$PWD/build}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
cores="$(nproc)"
readonly cores
status=0
# shellcheck source=launch/timing.sh
source launch/timing.sh

unit_tests() { # BUILD OPTION...
  local build="$1"
  shift
  "$kVenv/bin/ctest" --test-dir "$build" --output-on-failure -j "$cores" "$@"
}

# Two workers more than there are cores, for tests that wait; tests/conftest.py sees to it that no more than the cores are busy.
program_tests() { # OPTION...
  "$kVenv/bin/python" -m pytest -q -p no:cacheprovider --durations=15 -n $((cores + 2)) --dist loadfile --no-loadscope-reorder "$@" tests/interop tests/e2e
}

sanitized_tests() {
  local build=build-cpu-asan
  [[ -f "$build/build.ninja" ]] || "$kVenv/bin/cmake" --preset cpu-asan -DVALLEY_VENV="$kVenv" >/dev/null || return
  "$kVenv/bin/cmake" --build "$build" -j "$cores" && unit_tests "$build" -LE slow
}

timed set-up launch/setup.sh --tests || exit 1
timed build launch/build.sh || exit 1
if [[ "$mode" == --quick ]]; then
  # All but the slowest cases of the slower programs; a filter that a test sets itself wins.
  export GTEST_FILTER='-MemoryPlan.PassBytesAreNearMeasuredPeak:AnnealedPartition.*:GibbsRestorer.*:Order.EachEpoch*:Gans/StepGraphTest.*bf16*:Gans/StepGraphTest.Repeats*:Compute.*'
  timed unit unit_tests "$VALLEY_BUILD" -LE slow || status=1
  unset GTEST_FILTER
  timed program program_tests -m quick || status=1
else
  timed unit unit_tests "$VALLEY_BUILD" || status=1
  timed program program_tests || status=1
fi
if [[ "$mode" == --all ]]; then
  timed includes tests/includes.sh || status=1
  timed sanitized sanitized_tests || status=1
fi
printf '%s\n' "${parts[@]}"
exit "$status"
