# shellcheck shell=bash
# Common code of local.sh, mpirun.sh and slurm.sbatch: program, arguments, signals and exit codes. They source it with
# `launch` set to this folder.
#
# Commands are substituted with `...` where a signal may come: bash 5.2 ends a script with a syntax error if it runs a trap
# while it parses $(...).
# shellcheck source=launch/cores.sh
source "${launch:?}/cores.sh"
# shellcheck source=launch/restarts.sh
source "$launch/restarts.sh"

say() { printf 'launch: %s\n' "$*" >&2; }
fail() { # EXIT_CODE MESSAGE
  printf 'launch: error: %s\n' "$2" >&2
  exit "$1"
}

# Prints the comment at the top of a script, which is its help.
usage_of() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' -- "$1"; }

# Sets `valley`, the program: $VALLEY, else the build next to these scripts, else their installation, else that on the PATH.
find_valley() {
  local candidate
  if [[ -n "${VALLEY:-}" ]]; then
    command -v "$VALLEY" >/dev/null || fail 66 "VALLEY=$VALLEY is not a program; set it to the path of valley, or unset it"
    valley="$VALLEY"
    return
  fi
  for candidate in "${VALLEY_BUILD:-$launch/../build}/valley" "$launch/../../../bin/valley"; do
    [[ -x "$candidate" ]] || continue
    valley=`builtin cd -- "${candidate%/*}" && pwd`/valley
    return
  done
  valley=`command -v valley` ||
    fail 66 "no valley in $launch/../build, $launch/../../../bin or on the PATH; build it with launch/build.sh, or set VALLEY"
}

# Sets `mpirun`: $MPIRUN, else the one next to the program (in a bundle), else that on the PATH, without its folder, because
# mpirun would make other hosts search libraries in that folder. Empty if there is none.
find_mpirun() {
  mpirun="${MPIRUN:-mpirun}"
  local folder="${valley%/*}"
  [[ "$valley" == */* ]] || folder=.
  [[ -n "${MPIRUN:-}" || ! -x "$folder/mpirun" ]] || mpirun="$folder/mpirun"
  command -v "$mpirun" >/dev/null || mpirun=""
}

can_hold_files() { # FOLDER
  local probe="$1/.valley-$$"
  mkdir -- "$probe" 2>/dev/null || return 1
  local code=0
  head -c 65536 /dev/zero 2>/dev/null >"$probe/file" || code=1
  rm -rf -- "$probe"
  return "$code"
}

# mpirun keeps sockets and shared memory in TMPDIR, and ends with an internal error if it cannot write there.
choose_temporary_folder() {
  local folder wanted="${TMPDIR:-/tmp}"
  [[ -z "${OMPI_MCA_orte_tmpdir_base:-}" ]] || return 0
  for folder in "$wanted" /tmp /var/tmp /dev/shm; do
    can_hold_files "$folder" 2>/dev/null || continue
    [[ "$folder" == "$wanted" ]] || say "warning: TMPDIR=$wanted cannot be written or is full; using $folder instead"
    export TMPDIR="$folder"
    return
  done
  fail 73 "mpirun needs a folder for temporary files: $wanted, /tmp, /var/tmp and /dev/shm cannot be written or are full; free some space, or set TMPDIR"
}

# Sets VALLEY_LAUNCH_ID, which identifies the exit.json of a start.
new_launch_id() {
  VALLEY_LAUNCH_ID=`hostname`-$$-`date +%s%N`
  export VALLEY_LAUNCH_ID
}

# Sets `arguments` (of `valley train`), `training` (the command of one rank), `out` (the folder of runs), `mpirun` and
# `restarts`. --resume auto is the default.
prepare() { # TRAIN_ARGUMENT...
  take_restarts "$@"
  set -- ${words[@]+"${words[@]}"}
  find_valley
  find_mpirun
  out=runs
  local resume=(--resume auto) previous="" word
  for word in "$@"; do
    [[ "$previous" != --out ]] || out="$word"
    [[ "$word" != --out=* ]] || out="${word#--out=}"
    [[ "$word" != --resume && "$word" != --resume=* ]] || resume=()
    previous="$word"
  done
  arguments=("$@" ${resume[@]+"${resume[@]}"})
  training=("$launch/rank.sh" "$valley" train "${arguments[@]}")
  # Signals are blocked until the program has loaded and handles them (coreutils before 8.31 cannot block them).
  local held=(env --block-signal=USR1 --block-signal=TERM --block-signal=INT)
  ! "${held[@]}" true 2>/dev/null || training=("${held[@]}" "${training[@]}")
  # mpirun rejects root unless both variables are set.
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# Prints a value of the plan, which has one key per line: 16, null, true, cpu.
value_of() { # KEY
  sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" <<<"$plan"
}

# Prints the largest number of ranks up to LIMIT that can share the micro-batches evenly.
ranks_that_work() { # LIMIT
  local ranks="$1" batch microbatch reproducible
  batch=`value_of train.global_batch`
  microbatch=`value_of train.microbatch`
  reproducible=`value_of train.reproducible`
  [[ "$microbatch" == null ]] || batch=$((batch / microbatch))
  while ((batch % ranks != 0)) || { [[ "$reproducible" == true ]] && ((ranks & (ranks - 1))); }; do
    ranks=$((ranks - 1))
  done
  echo "$ranks"
}

# Sets `plan`: a dry run finds mistakes before any rank starts, and reports the batch and the GPUs that the program sees.
make_plan() {
  local code=0
  # Messages and plan are one text, because a temporary file may not fit on the disk.
  plan=`"$valley" train "${arguments[@]}" --dry-run --json 2>&1` || code=$?
  if ((code != 0)); then
    printf '%s\n' "$plan" >&2
    exit "$code"
  fi
}

# Prints what a sed script finds in the exit.json of this start; nothing if none was written.
recorded() { # SED_SCRIPT
  local file
  for file in "$out"/*/exit.json; do
    grep -qsF "\"launch\": \"$VALLEY_LAUNCH_ID\"" "$file" || continue
    sed -n "$1" "$file"
    return
  done
}

# Prints the code of docs/exit-codes.md for the exit code of a launcher, which has other codes for ranks that it kills.
restored_code() { # CODE
  case "$1" in 0 | 2 | 6[456] | 7[0123456]) echo "$1" && return ;; esac
  local own
  own=`recorded 's/.*"exit_code": \([0-9]*\).*/\1/p'`
  # The launcher's code for a killed rank says more than 76 (rank lost).
  if [[ -n "$own" && "$own" != 76 ]]; then
    echo "$own"
  elif ((asked && ($1 == 128 + 10))); then
    echo 75 # stopped before any rank handled signals: nothing was trained
  else
    echo "$1"
  fi
}

# --- Signals. TERM, USR1, HUP and Ctrl-C ask the job to stop with a checkpoint; a second Ctrl-C ends it.
asked=0
interrupts=0
trapped=0
child=""
repeater=""

# Succeeds if a process catches or blocks USR1; otherwise USR1 would kill it.
takes_usr1() {
  local name mask
  while read -r name mask; do
    [[ "$name" == SigCgt: || "$name" == SigBlk: ]] || continue
    ((16#$mask & 1 << 9)) && return 0 # explicit, because `return` in a trap uses the status before the trap
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

# Sends USR1 until the launcher ends, because it passes the signal only to ranks that it has already started.
keep_asking() {
  local pause asks=0
  trap - USR1 HUP INT
  trap 'kill "$!" 2>/dev/null; exit 0' TERM
  while kill -0 "$child" 2>/dev/null; do
    pause=0.4
    if takes_usr1 "$child"; then
      kill -USR1 "$child" 2>/dev/null || true
      ((++asks < 4)) || pause=2
    fi
    sleep "$pause" &
    wait "$!"
  done
}

ask_to_stop() { # SIGNAL
  trapped=1
  ((!asked)) || return 0
  asked=1
  say "$1: stopping with a checkpoint"
  [[ -n "$child" ]] || return 0
  keep_asking &
  repeater=$!
}

interrupt() {
  trapped=1
  ((++interrupts))
  if ((interrupts == 1)); then
    ask_to_stop "Ctrl-C (again: end at once)"
  elif [[ -n "$child" ]]; then
    say "ending at once: steps since the last checkpoint are lost"
    kill "-$hard_signal" "$child" 2>/dev/null || true
  fi
}

# Runs a launcher in a new session, so that Ctrl-C reaches this script only, and sets `code`, the restored exit code.
# HARD_SIGNAL ends it at once.
run_job() { # HARD_SIGNAL COMMAND...
  hard_signal="$1"
  shift
  local status
  code=127
  # A signal came before the start: there is nothing to save.
  if ((asked)); then
    code=75
    return
  fi
  setsid "$@" </dev/null &
  child=$!
  local watcher=""
  if [[ -n "$regrow_file" ]]; then
    watch_for_hosts &
    watcher=$!
  fi
  # A signal may have come since the check above.
  if ((asked)) && [[ -z "$repeater" ]]; then
    keep_asking &
    repeater=$!
  fi
  # A trap interrupts `wait`; the next `wait` returns the code, or 127 if the last one already did.
  while :; do
    trapped=0
    status=0
    wait "$child" || status=$?
    ((status == 127)) && break
    code=$status
    ((trapped)) || break
  done
  [[ -z "$watcher" ]] || kill "$watcher" 2>/dev/null || true
  [[ -z "$repeater" ]] || kill "$repeater" 2>/dev/null || true
  repeater=""
  child=""
  code=`restored_code "$code"`
  # shellcheck disable=SC2034
  ((interrupts < 2)) || code=130
}

trap 'ask_to_stop TERM' TERM
trap 'ask_to_stop USR1' USR1
trap 'ask_to_stop HUP' HUP
trap interrupt INT
