#!/usr/bin/env bash
# Trains on this machine: one rank per GPU or, without GPUs, ranks on CPU cores.
#
#   launch/local.sh CONFIG.toml [section.key=value ...] [--out DIR] [--resume none|auto|PATH] [--restarts N] [...]
#
# The arguments are those of `valley train`. --resume auto is the default: the same command continues a stopped run. Give
# each experiment an --out of its own. TERM, USR1, HUP or Ctrl-C stop it with a checkpoint (exit code 75); a second Ctrl-C
# ends it at once. Exit codes: docs/exit-codes.md. With --restarts N a job that loses a rank (76 or 137) is started again, up to N
# times, from its last checkpoint: docs/launching.md.
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

choose_ranks() {
  local limit
  make_plan
  limit=`value_of usable_gpus`
  ((limit > 0)) || limit=`count_cores`
  ranks=`ranks_that_work "$limit"`
  ((ranks == limit)) || say "using $ranks ranks instead of $limit, because ranks must share train.global_batch and train.microbatch evenly"
}

start_job() {
  if ((ranks == 1)); then
    run_job KILL "${training[@]}"
    return
  fi
  # shellcheck disable=SC2086
  run_job TERM "$mpirun" -n "$ranks" --oversubscribe --bind-to none ${MPIRUN_FLAGS:-} "${training[@]}"
}

# A GPU may be lost with the rank.
check_hosts_again() {
  check_this_host || return 1
  [[ -n "${RANKS:-}" ]] || choose_ranks
}

ranks="${RANKS:-}"
[[ -n "$ranks" ]] || choose_ranks
[[ "$ranks" =~ ^[1-9][0-9]*$ ]] || fail 2 "RANKS=$RANKS is not a number of ranks; set it to 1 or more"
if ((ranks > 1)); then
  choose_temporary_folder
  [[ -n "$mpirun" ]] || fail 66 "there is no ${MPIRUN:-mpirun}; $ranks ranks need Open MPI, RANKS=1 does not"
fi
train_with_restarts
exit "$code"
