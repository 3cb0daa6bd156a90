#!/usr/bin/env bash
# Validates Valley on the GPUs of this machine in about ten minutes: each step under its own time limit, one table at the end. Needs
# Python 3.9 and no network; runs from the source tree after launch/build.sh and from a bundle (launch/bundle.sh --tests).
# docs/gpu.md describes the steps.
#
#   tests/gpu.sh [--out FOLDER] [--only STEP,...] [--quick] [--list] [--time-limit-scale X] [--total-limit SECONDS] [--record]
#
#   --out               folder of the results: gpu.json, table.md and a log per step (default: gpu-DATE)
#   --only              only these steps or groups of steps, such as kernels,train-ebm-bf16
#   --quick             a subset with small models, sized for the fake device of tests/fake_cuda
#   --list              print steps, time limits and what each one checks, and stop
#   --time-limit-scale  multiply all time limits (default: 1)
#   --total-limit       seconds after which no step is started, 0: no limit (default: 570, times the scale)
#   --record            train on the CPU and write the statistics that the step "recorded" compares with
#
# Exit code: 0 if no step failed or ran out of time, else 1; 2 for wrong arguments.
# Environment: VALLEY_BUILD       the build folder (default: build)
#              VALLEY_GPU_LAUNCH  words in front of each program that uses a GPU, such as "tests/fake_cuda/run 2"
#              VALLEY_PYTHON      the Python that runs the steps and PyTorch's side (default: that of .venv, else python3)
set -euo pipefail
# Variables that change what cd prints, what grep does and which syntax bash takes.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
here="$(builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
case "${1:-}" in
  --help | -h)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
python="${VALLEY_PYTHON:-${VALLEY_VENV:-$here/../.venv}/bin/python}"
[[ -n "${VALLEY_PYTHON:-}" || -x "$python" ]] || python=python3
command -v "$python" >/dev/null || {
  echo "error: $python does not exist; install Python 3.9 or newer, or set VALLEY_PYTHON" >&2
  exit 66
}
PYTHONDONTWRITEBYTECODE=1 exec "$python" "$here/gpu/main.py" "$@"
