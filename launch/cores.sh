# shellcheck shell=bash
# Assigns cores to ranks. Sourced by rank.sh, which binds ranks, and by common.sh, which counts cores.
#
# Only cores that this process may use are counted: its CPU mask (limited by containers, Slurm and cpusets) and the CPU
# quota of its cgroup.

# Prints the CPUs of a list such as "0-3,8", one per line.
expand_cpus() {
  local part
  for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}

# Prints the cores of this process in the order of NUMA nodes and sockets: one line per core with its CPUs (hardware threads), "0,64".
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

# Prints the quota of the cgroup (version 1 or 2) in whole CPUs; nothing without a quota.
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

# Prints the number of cores that this process can keep busy.
count_cores() {
  local cores quota
  cores="$(usable_cores | wc -l)"
  quota="$(quota_cpus)"
  echo $((${quota:-0} > 0 && quota < cores ? quota : cores))
}

# Prints the CPUs of the INDEX-th of COUNT equal shares of the cores, "0,64,1,65"; nothing with fewer cores than ranks.
share_of_cores() { # INDEX COUNT
  local -a cores
  mapfile -t cores < <(usable_cores)
  local size=$((${#cores[@]} / $2))
  ((size > 0)) || return 0
  local IFS=,
  echo "${cores[*]:$1 * size:size}"
}
