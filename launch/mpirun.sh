#!/usr/bin/env bash
# Trains on several hosts that mpirun reaches by ssh.
#
#   launch/mpirun.sh HOSTFILE CONFIG.toml [section.key=value ...] [--out DIR] [--resume none|auto|PATH] [...]
#
# HOSTFILE has one line per host, "node1 slots=8", with one slot per rank or GPU. The other arguments are those of
# `valley train`; --resume auto is the default. The program, this folder, the data and --out have the same paths on all
# hosts. TERM, USR1, HUP or Ctrl-C stop it with a checkpoint (exit code 75); a second Ctrl-C ends it at once.
#
# Environment: RANKS            number of ranks (default: all slots)
#              RANKS_PER_HOST   number of ranks on each host, regardless of its slots
#              VALLEY           the program (default: ../build/valley next to this script, else that on the PATH)
#              VALLEY_BIND      none: ranks are not bound to cores
#              MPIRUN           Open MPI's mpirun (default: next to the program, else that on the PATH)
#              NCCL_*, CUDA_VISIBLE_DEVICES, VALLEY_SHARE_GPU, OMP_NUM_THREADS, OMP_THREAD_LIMIT  passed on to all ranks
#              MPIRUN_FLAGS     more flags for it, such as
#                               "--mca btl_tcp_if_include eth0" if hosts have several networks
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
launch="$(builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=launch/common.sh
source "$launch/common.sh"

# Open MPI reports an internal error for characters that editors of other systems write. Comments may hold any character.
check_hosts() {
  local line text number=0 names=0 ends=1 cr=$'\r' bom=$'\xEF\xBB\xBF' LC_ALL=C
  while IFS= read -r line || { [[ -n "$line" ]] && ends=0; }; do
    number=$((number + 1))
    ((ends)) || [[ "$line" != *"#"* ]] || fail 64 "$hosts:$number: the comment has no end of line; add one: echo >>$hosts"
    text="${line%%#*}"
    case "$line" in
      "$bom"*) fail 64 "$hosts:$number: the file begins with a byte order mark; remove it: sed -i '1s/^\xEF\xBB\xBF//' $hosts" ;;
      *"$cr"*) fail 64 "$hosts:$number: the line ends in CR LF, as on Windows; convert the file: sed -i 's/\r\$//' $hosts" ;;
    esac
    case "$text" in
      *[![:print:][:blank:]]*) fail 64 "$hosts:$number: the line holds a character that is not printable ASCII; write \"NAME slots=N\"" ;;
      *[![:blank:]]*) names=$((names + 1)) ;;
    esac
  done < <(tr '\0' '\1' <"$hosts")
  ((names > 0)) || fail 64 "$hosts names no host; write one line per host, such as \"node1 slots=8\""
}

if (($# < 2)) || [[ "$1" == --help || "$1" == -h ]]; then
  usage_of "${BASH_SOURCE[0]}"
  [[ "${1:-}" == --help || "${1:-}" == -h ]] && exit 0
  exit 2
fi
hosts="$1"
shift
[[ -r "$hosts" ]] || fail 66 "$hosts does not exist or cannot be read; name a host file with one line per host, such as \"node1 slots=8\""
[[ ! -d "$hosts" ]] || fail 66 "$hosts is a folder; name a file with one line per host, such as \"node1 slots=8\""
check_hosts
prepare "$@"
choose_temporary_folder
[[ -n "$mpirun" ]] || fail 66 "there is no ${MPIRUN:-mpirun}; it is part of Open MPI"

places=()
[[ -z "${RANKS:-}" ]] || places+=(-n "$RANKS")
[[ -z "${RANKS_PER_HOST:-}" ]] || places+=(--map-by "ppr:$RANKS_PER_HOST:node" --oversubscribe)
variables=(-x VALLEY_LAUNCH_ID)
mapfile -t nccl < <(compgen -e NCCL_)
for name in VALLEY_BIND VALLEY_SHARE_GPU CUDA_VISIBLE_DEVICES OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_WAIT_POLICY GOMP_SPINCOUNT ${nccl[@]+"${nccl[@]}"}; do
  [[ -z "${!name:-}" ]] || variables+=(-x "$name")
done
# shellcheck disable=SC2086
run_job TERM "$mpirun" --hostfile "$hosts" ${places[@]+"${places[@]}"} --bind-to none --wdir "$PWD" "${variables[@]}" \
  ${MPIRUN_FLAGS:-} "${training[@]}"
exit "$code"
