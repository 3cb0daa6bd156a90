# shellcheck shell=bash
# Which cores a rank gets. Sourced by rank.sh, which binds with it, and by common.sh, which counts with it.
#
# What counts is what this process may use: its CPU mask (containers, Slurm and cpusets narrow it), and the quota of
# CPU time that its cgroup has.

# The CPUs of a list such as "0-3,8", one a line.
expand_cpus() {
  local part
  for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}

# The cores of this process, neighbours first: a line each with the numbers of the CPUs (hardware threads) on it, "0,64".
usable_cores() {
  local allowed
  allowed="$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)"
  if ! command -v lscpu >/dev/null; then
    expand_cpus "$allowed"
    return
  fi
  lscpu -p=NODE,SOCKET,CORE,CPU | grep -v '^#' | sort -t, -n -k1,1 -k2,2 -k3,3 -k4,4 |
    awk -F, -v allowed="$(expand_cpus "$allowed" | tr '\n' ' ')" '
      BEGIN { n = split(allowed, list, " "); for (i = 1; i <= n; ++i) may[list[i]] = 1 }
      !($4 in may) { next }
      { core = $1 "," $2 "," $3 }
      core != last { if (cpus != "") print cpus; cpus = $4; last = core; next }
      { cpus = cpus "," $4 }
      END { if (cpus != "") print cpus }'
}

# Whole CPUs that the quota of the cgroup (both versions) is worth; nothing without a quota.
quota_cpus() {
  local group quota period
  group="$(sed -n 's/^0:://p' /proc/self/cgroup)"
  if read -r quota period 2>/dev/null <"/sys/fs/cgroup${group%/}/cpu.max" || read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max; then
    [[ "$quota" == max ]] && return
  else
    group="$(sed -n 's/^[0-9]*:[a-z,]*\bcpu\b[a-z,]*://p' /proc/self/cgroup)"
    local folder
    for folder in "/sys/fs/cgroup/cpu${group%/}" /sys/fs/cgroup/cpu; do
      read -r quota 2>/dev/null <"$folder/cpu.cfs_quota_us" && read -r period 2>/dev/null <"$folder/cpu.cfs_period_us" && break
    done
    ((${quota:--1} > 0 && ${period:-0} > 0)) || return
  fi
  echo $((quota > period ? quota / period : 1))
}

# How many cores this process can keep busy.
count_cores() {
  local cores quota
  cores="$(usable_cores | wc -l)"
  quota="$(quota_cpus)"
  echo $((${quota:-0} > 0 && quota < cores ? quota : cores))
}

# The CPUs of the INDEX-th of COUNT equal shares of the cores, "0,64,1,65"; nothing where there are fewer cores than ranks.
share_of_cores() { # INDEX COUNT
  local -a cores
  mapfile -t cores < <(usable_cores)
  local size=$((${#cores[@]} / $2))
  ((size > 0)) || return 0
  local IFS=,
  echo "${cores[*]:$1 * size:size}"
}
