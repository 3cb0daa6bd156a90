#!/usr/bin/env bash
# Trains on this machine: one rank per GPU or, without GPUs, ranks on CPU cores.
#
#   launch/local.sh CONFIG.toml [section.key=value ...] [--out DIR] [--resume none|auto|PATH] [...]
#
# The arguments are those of `valley train`. --resume auto is the default: the same command continues a stopped run. Give
# each experiment an --out of its own. TERM, USR1, HUP or Ctrl-C stop it with a checkpoint (exit code 75); a second Ctrl-C
# ends it at once. Exit codes: docs/exit-codes.md.
#
# Environment: RANKS          number of ranks (default: GPUs, else cores; fewer if they do not divide the batch)
#              VALLEY         the program (default: ../build/valley next to this script, else that on the PATH)
#              VALLEY_BIND    none: ranks are not bound to cores
#              MPIRUN         Open MPI's mpirun (default: next to the program, else that on the PATH)
#              MPIRUN_FLAGS   more flags for it
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
launch="$(builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=launch/common.sh
source "$launch/common.sh"

if (($# == 0)) || [[ "$1" == --help || "$1" == -h ]]; then
  usage_of "${BASH_SOURCE[0]}"
  exit $(($# == 0 ? 2 : 0))
fi
prepare "$@"

# Prints a value of the plan, which has one key per line: 16, null, true, cpu.
value_of() { # KEY
  sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" <<<"$plan"
}

# Prints the largest number of ranks up to LIMIT that can share the micro-batches evenly.
ranks_that_work() { # LIMIT
  local ranks="$1" batch microbatch reproducible
  batch="$(value_of train.global_batch)"
  microbatch="$(value_of train.microbatch)"
  reproducible="$(value_of train.reproducible)"
  [[ "$microbatch" == null ]] || batch=$((batch / microbatch))
  while ((batch % ranks != 0)) || { [[ "$reproducible" == true ]] && ((ranks & (ranks - 1))); }; do
    ranks=$((ranks - 1))
  done
  echo "$ranks"
}

# A dry run finds mistakes before any rank starts, and reports the batch and the GPUs that the program sees.
choose_ranks() {
  local limit code=0
  # Messages and plan are one text, because a temporary file may not fit on the disk.
  plan="$("$valley" train "${arguments[@]}" --dry-run --json 2>&1)" || code=$?
  if ((code != 0)); then
    printf '%s\n' "$plan" >&2
    exit "$code"
  fi
  limit="$(value_of usable_gpus)"
  ((limit > 0)) || limit="$(count_cores)"
  RANKS="$(ranks_that_work "$limit")"
  ((RANKS == limit)) || say "using $RANKS ranks instead of $limit, because ranks must share train.global_batch and train.microbatch evenly"
}

[[ -n "${RANKS:-}" ]] || choose_ranks
[[ "$RANKS" =~ ^[1-9][0-9]*$ ]] || fail 2 "RANKS=$RANKS is not a number of ranks; set it to 1 or more"
if ((RANKS == 1)); then
  run_job KILL "${training[@]}"
  exit "$code"
fi
choose_temporary_folder
[[ -n "$mpirun" ]] || fail 66 "there is no ${MPIRUN:-mpirun}; $RANKS ranks need Open MPI, RANKS=1 does not"
# shellcheck disable=SC2086
run_job TERM "$mpirun" -n "$RANKS" --oversubscribe --bind-to none ${MPIRUN_FLAGS:-} "${training[@]}"
exit "$code"
