#!/usr/bin/env bash
# Starts one rank on cores of its own: mpirun and srun call this on every host, launch/*.sh say how.
#
#   launch/rank.sh COMMAND [ARGUMENT ...]
#
# The rank's place among those of its host comes from the launcher (Open MPI or Slurm). Its host's cores are shared out
# evenly, neighbouring cores together; with more ranks than cores nothing is bound. A thread a core, unless
# OMP_NUM_THREADS says otherwise; train.threads in the config has the last word.
#
# Environment: VALLEY_BIND=none   bind nothing, because the batch system or the user already has
set -euo pipefail
# Variables that change what cd prints, what grep does and which syntax bash takes.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
launch="$(builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=launch/cores.sh
source "$launch/cores.sh"

if (($# == 0)) || [[ "$1" == --help || "$1" == -h ]]; then
  sed -n '2,10p' -- "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
  exit $(($# == 0 ? 2 : 0))
fi

# Slurm's list of tasks a node, "4(x2),3", as this node's number.
slurm_tasks_here() {
  local part node="${SLURM_NODEID:-0}" tasks times
  for part in ${SLURM_STEP_TASKS_PER_NODE//,/ }; do
    tasks="${part%%(*}" times=1
    [[ "$part" != *x* ]] || times="${part##*x}" times="${times%)}"
    ((node < times)) && break
    node=$((node - times))
  done
  echo "${tasks:-1}"
}

index=0 count=1
if [[ -n "${OMPI_COMM_WORLD_LOCAL_SIZE:-}" ]]; then
  index="$OMPI_COMM_WORLD_LOCAL_RANK" count="$OMPI_COMM_WORLD_LOCAL_SIZE"
elif [[ -n "${SLURM_LOCALID:-}" && -n "${SLURM_STEP_TASKS_PER_NODE:-}" ]]; then
  index="$SLURM_LOCALID" count="$(slurm_tasks_here)"
fi

# Threads that wait should sleep: ranks spin for one another otherwise. OpenMP reads these when it is loaded.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-0}"
threads=$(($(count_cores) / count))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}"

bind=()
if ((count > 1)) && [[ "${VALLEY_BIND:-}" != none ]] && command -v taskset >/dev/null; then
  cpus="$(share_of_cores "$index" "$count")"
  [[ -z "$cpus" ]] || bind=(taskset -c "$cpus")
fi
exec ${bind[@]+"${bind[@]}"} "$@"
