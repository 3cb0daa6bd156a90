#!/usr/bin/env bash
# Trains on several hosts that mpirun reaches by ssh.
#
#   launch/mpirun.sh HOSTFILE CONFIG.toml [section.key=value ...] [--out DIR] [--resume none|auto|PATH] [--restarts N] [...]
#
# HOSTFILE has one line per host, "node1 slots=8", with one slot per rank or GPU. The other arguments are those of
# `valley train`; --resume auto is the default. The program, this folder, the data and --out have the same paths on all
# hosts. TERM, USR1, HUP or Ctrl-C stop it with a checkpoint (exit code 75); a second Ctrl-C ends it at once. With --restarts N
# a job that loses a rank or a host (76 or 137) continues from its last checkpoint, up to N times, on the hosts that answer, and
# later again on all: docs/launching.md.
#
# Environment: RANKS            number of ranks (default: all slots)
#              RANKS_PER_HOST   number of ranks on each host, regardless of its slots
#              VALLEY           the program (default: ../build/valley next to this script, else that on the PATH)
#              VALLEY_BIND      none: ranks are not bound to cores
#              MPIRUN           Open MPI's mpirun (default: next to the program, else that on the PATH)
#              NCCL_*, CUDA_VISIBLE_DEVICES, VALLEY_SHARE_GPU, OMP_NUM_THREADS, OMP_THREAD_LIMIT  passed on to all ranks
#              MPIRUN_FLAGS     more flags for it, such as
#                               "--mca btl_tcp_if_include eth0" if hosts have several networks
#              VALLEY_HOST_CHECK_S  seconds between looks for hosts that were left out (default: 60)
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

variables=(-x VALLEY_LAUNCH_ID -x VALLEY_RESTARTED_AFTER)
mapfile -t nccl < <(compgen -e NCCL_)
for name in VALLEY_BIND VALLEY_SHARE_GPU CUDA_VISIBLE_DEVICES OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_WAIT_POLICY GOMP_SPINCOUNT ${nccl[@]+"${nccl[@]}"}; do
  [[ -z "${!name:-}" ]] || variables+=(-x "$name")
done

# Lines of the host file that name a host: of all, and of those that the job uses now.
mapfile -t all_lines < <(sed 's/#.*//; /^[[:space:]]*$/d' "$hosts")
lines=("${all_lines[@]}")
present="$hosts" # the host file of the job
limit=""         # number of ranks, if hosts are left out

start_job() {
  local places=() number="${limit:-${RANKS:-}}"
  [[ -z "$number" ]] || places+=(-n "$number")
  [[ -z "${RANKS_PER_HOST:-}" ]] || places+=(--map-by "ppr:$RANKS_PER_HOST:node" --oversubscribe)
  # shellcheck disable=SC2086
  run_job TERM "$mpirun" --hostfile "$present" ${places[@]+"${places[@]}"} --bind-to none --wdir "$PWD" "${variables[@]}" \
    ${MPIRUN_FLAGS:-} "${training[@]}"
}

# Succeeds if valley starts on the host of a line and finds no problem there.
host_answers() { # LINE
  local host="${1%%[[:space:]]*}"
  # shellcheck disable=SC2086
  timeout --kill-after=5 "${VALLEY_HOST_PATIENCE_S:-20}" setsid "$mpirun" --host "$host" -n 1 --bind-to none --wdir "$PWD" ${MPIRUN_FLAGS:-} \
    "$valley" doctor --quick --out "$out" </dev/null >"$work/answer-$host" 2>&1
}

# The host file may have addresses.
name_of_host() { # LINE
  sed -n 's/^ *[a-z]* *host name *\([^ ]*\).*/\1/p' "$work/answer-${1%%[[:space:]]*}" 2>/dev/null
}

slots_of() { # LINE
  local slots
  slots="$(sed -n 's/.*[[:space:]]slots *= *\([0-9][0-9]*\).*/\1/p' <<<"$1")"
  echo "${RANKS_PER_HOST:-${slots:-1}}"
}

check_hosts_again() {
  local line own answers slots=0 names=""
  say "asking ${#all_lines[@]} hosts whether they work"
  ask_hosts "${all_lines[@]}"
  lines=(${answering[@]+"${answering[@]}"})
  if ((${#lines[@]} == 0)); then
    answers=`head -n 3 "$work"/answer-* 2>/dev/null` || true
    say "no host answers: ${answers//$'\n'/ }"
    return 1
  fi
  if ((${#lines[@]} == ${#all_lines[@]})); then
    present="$hosts" limit="" regrow_file=""
    return 0
  fi
  for line in "${lines[@]}"; do
    own=`slots_of "$line"`
    slots=$((slots + own))
    names+=" ${line%%[[:space:]]*}"
  done
  [[ -z "${RANKS:-}" ]] || ((slots < RANKS)) || slots="$RANKS"
  [[ -n "${plan:-}" ]] || make_plan
  limit=`ranks_that_work "$slots"`
  present="$work/hosts" regrow_file="$work/regrow"
  printf '%s\n' "${lines[@]}" >"$present"
  say "continuing with ${#lines[@]} of ${#all_lines[@]} hosts ($names ); ranks: $limit"
}

# Succeeds if a host that was left out answers again.
missing_hosts_answer() {
  local line
  for line in "${all_lines[@]}"; do
    ! grep -qxF -- "$line" "$present" || continue
    ! is_suspect "$line" || continue
    ! host_answers "$line" || return 0
  done
  return 1
}

work="$(mktemp -d "${TMPDIR:-/tmp}/valley-launch-XXXXXX")"
trap 'rm -rf "$work"' EXIT
train_with_restarts
exit "$code"
