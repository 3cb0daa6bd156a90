# shellcheck shell=bash
# Restarts of a job that has lost a rank or a host: `--restarts N` of local.sh, mpirun.sh and slurm.sbatch. Sourced by common.sh.
#
# A script defines
#   start_job             starts the job on the hosts that are there, and sets `code` (run_job)
#   check_hosts_again     after a loss: keeps the hosts that answer; fails if there are none
#   host_answers          succeeds if valley starts on a host and finds no problem there
#   missing_hosts_answer  succeeds if a host that was left out answers again
#   name_of_host          optional: prints the name that a host that has answered gives itself
# and calls train_with_restarts. Other variables are those of common.sh.
# shellcheck disable=SC2154

restarts=0         # --restarts
restarted=0        # how often so far
max_idle_starts=3  # starts in a row without a new checkpoint
regrow_file=""     # exists if the job was stopped to continue with more hosts
suspects=" "       # names of hosts whose memory or processors an audit has found to be wrong

# Sets `restarts`, and `words`: the arguments without --restarts.
take_restarts() { # ARGUMENT...
  local word is_value=0
  words=()
  for word in "$@"; do
    if ((is_value)); then
      restarts="$word" is_value=0
    elif [[ "$word" == --restarts ]]; then
      is_value=1
    elif [[ "$word" == --restarts=* ]]; then
      restarts="${word#--restarts=}"
    else
      words+=("$word")
    fi
  done
  ((!is_value)) || restarts=""
  [[ "$restarts" =~ ^(0|[1-9][0-9]{0,4})$ ]] || fail 2 "--restarts $restarts is not a number of restarts; give 0 to 99999"
}

# Prints the newest run and its newest step that is saved: that of a checkpoint, or of a local copy from which a start continued.
newest_state() {
  {
    find "$out" -path '*/checkpoints/step-*/COMMIT' 2>/dev/null | sed -nE 's|^(.*)/checkpoints/step-0*([0-9]+)/COMMIT$|\1\t\2|p' || true
    find "$out" -name time.jsonl -exec grep -H '"event":"start"' {} + 2>/dev/null |
      sed -nE 's|^(.*)/time\.jsonl:.*"step":([1-9][0-9]*),.*|\1\t\2|p' || true
  } | sort -t $'\t' -k 1,1 -k 2,2n | tail -n 1
}

# A rank or a host was lost (76) or computes wrong results (72), or the launcher's code for a process that a signal killed, but not
# Ctrl-C or a TERM from outside. Other codes are errors that a restart would repeat.
has_lost_rank() { # CODE
  (($1 == 72 || $1 == 76)) || { (($1 > 128)) && (($1 != 130 && $1 != 143)); }
}

name_of_host() { echo "$1"; } # ITEM

is_suspect() { # ITEM
  local name
  name=`name_of_host "$1"`
  [[ "$suspects" == *" $name "* ]]
}

# Notes the host that exit.json blames for wrong results, if it blames one.
note_suspect() {
  local host
  host=`recorded 's/^ *"suspect_host": "\([^"]*\)".*/\1/p'`
  [[ -z "$host" ]] || suspects+="$host "
}

# Asks the hosts ITEM... at the same time, and sets `answering` to those that answer, without suspects if there are others. The
# scripts define host_answers.
ask_hosts() { # ITEM...
  local item i=0 pids=() trusted=()
  for item in "$@"; do
    host_answers "$item" &
    pids+=("$!")
  done
  answering=()
  for item in "$@"; do
    ! wait "${pids[i]}" || answering+=("$item")
    i=$((i + 1))
  done
  for item in ${answering[@]+"${answering[@]}"}; do
    is_suspect "$item" || trusted+=("$item")
  done
  ((${#trusted[@]} == 0)) || answering=(${trusted[@]+"${trusted[@]}"})
}

# Ends early if the user stops the job.
pause_before_restart() { # SECONDS
  local end=$((SECONDS + $1))
  while ((SECONDS < end && !asked)); do
    sleep 0.2 &
    wait "$!" || true
  done
}

# Fails with a message if this host has a problem that would stop a run.
check_this_host() {
  local report
  report=`timeout 60 "$valley" doctor --quick --out "$out" 2>&1` && return 0
  grep -F FAIL <<<"$report" >&2 || printf '%s\n' "$report" >&2
  say "this host has a problem, so that the job is not started again"
  return 1
}

# While hosts are left out, stops the job with a checkpoint when one of them is back.
watch_for_hosts() {
  trap - USR1 HUP INT
  trap 'kill "$!" 2>/dev/null; exit 0' TERM
  while kill -0 "$child" 2>/dev/null; do
    sleep "${VALLEY_HOST_CHECK_S:-60}" &
    wait "$!"
    missing_hosts_answer || continue
    : >"$regrow_file"
    keep_asking
    return
  done
}

# Runs the job until it ends for another reason than a lost rank, and sets `code`.
train_with_restarts() {
  local before after reason="" idle=0 pause=1
  while :; do
    new_launch_id
    export VALLEY_RESTARTED_AFTER="$reason"
    before=`newest_state`
    start_job
    ((restarts > 0)) || return 0
    if ((code == 75 && !asked)) && [[ -n "$regrow_file" && -e "$regrow_file" ]]; then
      rm -f "$regrow_file"
      reason="a host that was left out is back"
      say "$reason: continuing with more ranks"
      check_hosts_again || true
      continue
    fi
    has_lost_rank "$code" && ((!asked)) || return 0
    reason=`recorded 's/^ *"why": "\(.*\)",\{0,1\}$/\1/p'`
    reason="${reason//\\\"/\"}"
    reason="${reason:-the launcher ended with code $code}"
    note_suspect
    after=`newest_state`
    if [[ "$after" == "$before" ]]; then
      idle=$((idle + 1))
    else
      idle=0 pause=1
    fi
    if ((restarted >= restarts)); then
      say "$reason; no restart is left of $restarts"
      return 0
    elif ((idle >= max_idle_starts)); then
      say "$reason; $idle starts in a row ended without a new checkpoint, so that the job is not started again; save more often (checkpoint.every_seconds), or look for the cause (valley doctor)"
      return 0
    fi
    restarted=$((restarted + 1))
    say "$reason; restart $restarted of $restarts in $pause s"
    pause_before_restart "$pause"
    pause=$((pause < 32 ? pause * 2 : 60))
    if ((asked)); then
      code=75
      return 0
    fi
    check_hosts_again || return 0
  done
}
