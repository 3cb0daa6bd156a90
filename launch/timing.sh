# shellcheck shell=bash
# Times the parts of the script that sources this file.
# shellcheck disable=SC2034  # printed by the script that sources this
parts=()

# Runs a command and adds its time to `parts`. Returns its exit code.
timed() { # PART COMMAND...
  local part="$1" began=$SECONDS code=0
  shift
  "$@" || code=$?
  parts+=("$(printf '%-9s %d min %02d s' "$part" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)))")
  return "$code"
}
