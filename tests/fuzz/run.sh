#!/usr/bin/env bash
# Fuzzes the parsers of foreign bytes with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer; needs clang.
#
#   tests/fuzz/run.sh                       every target for a minute
#   tests/fuzz/run.sh --seconds 600 tar zip these targets for ten minutes each
#   tests/fuzz/run.sh --keep ...            and adds inputs that cover more code to tests/fuzz/corpus, minimized
#
# Inputs that crash, hang for 20 s or take over 2 GiB are kept in build-fuzz/findings; exit code 1 if there are any. To see one
# again: build-fuzz/tests/fuzz/fuzz_TARGET FILE.
# Environment: VALLEY_VENV  the Python environment (default: .venv), VALLEY_BUILD  the build folder (default: build)
set -euo pipefail
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly kBuild=build-fuzz kMaxInput=8192
seconds=60 keep=""
targets=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --seconds) seconds="${2:?--seconds needs a number}" && shift ;;
    --keep) keep=1 ;;
    -*)
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      [[ "$1" == --help || "$1" == -h ]] && exit 0
      exit 2
      ;;
    *) targets+=("$1") ;;
  esac
  shift
done
if [[ ${#targets[@]} -eq 0 ]]; then
  for file in tests/fuzz/targets/*.cpp; do
    targets+=("$(basename "$file" .cpp)")
  done
fi
command -v clang++ >/dev/null || {
  echo "clang++ is missing (Debian: apt-get install clang)" >&2
  exit 1
}

kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kVenv
[[ -x "${VALLEY_BUILD:-build}/valley" ]] || {
  echo "${VALLEY_BUILD:-build}/valley, which makes the first inputs, is missing: launch/build.sh" >&2
  exit 1
}
[[ -f "$kBuild/build.ninja" ]] || cmake --preset fuzz -DVALLEY_VENV="$kVenv" >/dev/null
cmake --build "$kBuild" --target "${targets[@]/#/fuzz_}" -j "$(nproc)" | tail -1
mkdir -p "$kBuild/findings"
"$kVenv/bin/python" tests/fuzz/seeds.py "$kBuild/seeds"

status=0
for target in "${targets[@]}"; do
  grown="$kBuild/grown/$target" kept="$kBuild/kept/$target" corpus="$PWD/tests/fuzz/corpus/$target.zip"
  rm -rf "$kept"
  mkdir -p "$grown" "$kept"
  [[ ! -f "$corpus" ]] || "$kVenv/bin/python" -m zipfile -e "$corpus" "$kept"
  if "$kBuild/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len="$kMaxInput" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="$kBuild/findings/$target-" "$grown" "$kept" "$kBuild/seeds/$target" >"$kBuild/$target.log" 2>&1; then
    grep -E "^Done|stat::number_of_executed_units" "$kBuild/$target.log" | sed "s/^/$target: /"
  else
    echo "$target: a finding, see $kBuild/$target.log" >&2
    status=1
  fi
  if [[ -n "$keep" && "$status" == 0 ]]; then
    merged="$kBuild/merged/$target"
    rm -rf "$merged" && mkdir -p "$merged"
    "$kBuild/tests/fuzz/fuzz_$target" -merge=1 -max_len="$kMaxInput" "$merged" "$kBuild/seeds/$target" "$kept" "$grown" >/dev/null 2>&1
    rm -f "$corpus"
    (cd "$merged" && "$kVenv/bin/python" -m zipfile -c "$corpus" ./*)
  fi
done
exit "$status"
