#!/usr/bin/env bash
# Sets up, builds and runs every test: C++ unit tests under ctest (some under mpirun), then interop and whole-program tests
# under pytest. Ends with one line that counts both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

launch/setup.sh --tests
launch/build.sh

export VALLEY_BUILD="${VALLEY_BUILD:-$PWD/build}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
status=0
"$kVenv/bin/ctest" --test-dir "$VALLEY_BUILD" --output-on-failure -j 2 || status=1
"$kVenv/bin/python" -m pytest -q -p no:cacheprovider --durations=10 tests/interop tests/e2e || status=1
exit "$status"
