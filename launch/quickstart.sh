#!/usr/bin/env bash
# From a clone to a trained generator: sets up, builds, makes shards of 105 face emoji, trains BEGAN on them for one to
# five minutes (on the CPU's cores, or on every GPU there is), and says where the pictures lie.
#
#   launch/quickstart.sh [section.key=value ...]
#
# Environment: RANKS         number of ranks (default: the GPUs, else the cores, as many as share the batch of 16 evenly)
#              VALLEY_BUILD  the build folder (default: build)
set -euo pipefail
# Variables that change what cd prints, what grep does and which syntax bash takes.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly kFaces=2639-263A,1F600-1F637,1F641-1F644,1F910-1F917,1F920-1F925,1F927-1F92F,1F970-1F976,1F978-1F97A,1F9D0,1FAE0-1FAE8
readonly kData=data/faces-32
readonly kRuns=runs
readonly kValley="${VALLEY_BUILD:-build}/valley"

# shellcheck source=launch/timing.sh
source launch/timing.sh

# A new build folder gets kernels for the GPUs of this machine alone; without one, for compute capability 8.0, from which the driver
# compiles them for newer GPUs. launch/build.sh compiles them for all (docs/building.md).
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

# A new run each time: to go on with one, say --resume auto or its path.
timed training launch/local.sh configs/quickstart.toml --out "$kRuns" --resume none "$@"

run="$(find "$kRuns" -maxdepth 1 -name '[0-9]*-quickstart' | sort | tail -n 1)"
grid="$(find "$run" -name 'fakes-[0-9]*.png' | sort | tail -n 1)"
cat <<END

samples   $grid
reals     $run/reals.png
log       $run/log.txt
figures   $run/stats.jsonl
next      $kValley sample $run --seeds 0-7 --interpolate 8 -o walk.png

Time that it took:
END
printf '%s\n' "${parts[@]}"
