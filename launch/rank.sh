#!/usr/bin/env bash
# Starts one rank, bound to its share of the cores. mpirun and srun call this on every host.
#
#   launch/rank.sh COMMAND [ARGUMENT ...]
#
# The launcher (Open MPI or Slurm) sets the local rank. The cores of the host are divided evenly, neighboring cores
# together; with more ranks than cores nothing is bound. One thread per core unless OMP_NUM_THREADS is set; train.threads
# in the config overrides both.
#
# Environment: VALLEY_BIND=none   do not bind, because the batch system or the user already does
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
launch="$(builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=launch/cores.sh
source "$launch/cores.sh"

if (($# == 0)) || [[ "$1" == --help || "$1" == -h ]]; then
  sed -n '2,10p' -- "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
  exit $(($# == 0 ? 2 : 0))
fi

# Prints the number of tasks of this node from Slurm's list of tasks per node, "4(x2),3".
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

# Waiting threads sleep, because spinning threads slow other ranks down. OpenMP reads these variables when it is loaded.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-0}"
threads=$(($(count_cores) / count))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}"

bind=()
if ((count > 1)) && [[ "${VALLEY_BIND:-}" != none ]] && command -v taskset >/dev/null; then
  cpus="$(share_of_cores "$index" "$count")"
  [[ -z "$cpus" ]] || bind=(taskset -c "$cpus")
fi
exec ${bind[@]+"${bind[@]}"} "$@"
