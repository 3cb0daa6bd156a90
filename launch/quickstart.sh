#!/usr/bin/env bash
# From a clone to a trained generator: sets up, builds, makes shards of 105 face emoji, trains EBGAN-PT on them for one to
# five minutes (on GPUs or on CPU cores), and prints the paths of the samples.
#
#   launch/quickstart.sh [section.key=value ...]
#
# Environment: RANKS         number of ranks (default: 2, one per GPU or core, or 1; each batch has two micro-batches)
#              VALLEY_BUILD  the build folder (default: build)
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "launch/${BASH_SOURCE[0]##*/}"
  exit 0
fi

readonly kFaces=2639-263A,1F600-1F637,1F641-1F644,1F910-1F917,1F920-1F925,1F927-1F92F,1F970-1F976,1F978-1F97A,1F9D0,1FAE0-1FAE8
readonly kData=data/faces-32
readonly kRuns=runs
readonly kValley="${VALLEY_BUILD:-build}/valley"

# shellcheck source=launch/timing.sh
source launch/timing.sh

# Prints the compute capabilities of this machine's GPUs for a new build folder, or 80 without a GPU, from which the driver
# compiles kernels for newer GPUs. launch/build.sh compiles for all (docs/building.md).
gpu_architectures() {
  local found
  found="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ' | sort -u | paste -sd ';')"
  [[ "$found" =~ ^[0-9\;]+$ ]] && echo "$found" || echo 80
}

timed set-up launch/setup.sh
export CMAKE_ARGS="${CMAKE_ARGS--DCMAKE_CUDA_ARCHITECTURES=$(gpu_architectures)}"
timed compile launch/build.sh valley

if [[ ! -f "$kData/SHA256SUMS" ]]; then
  timed shards "$kValley" shard build --source NotoColorEmoji.ttf --codepoints "$kFaces" --resolution 32 --dest "$kData" --overwrite
fi

# Starts a new run each time; pass --resume auto or a path to continue one.
timed training launch/local.sh configs/quickstart.toml --out "$kRuns" --resume none "$@"

run="$(find "$kRuns" -maxdepth 1 -name '[0-9]*-quickstart' | sort | tail -n 1)"
grid="$(find "$run" -name 'fakes-[0-9]*.png' | sort | tail -n 1)"
cat <<END

samples   $grid
reals     $run/reals.png
log       $run/log.txt
metrics   $run/stats.jsonl
next      $kValley sample $run --seeds 0-7 --interpolate 8 -o walk.png

Time per part:
END
printf '%s\n' "${parts[@]}"
