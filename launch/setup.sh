#!/usr/bin/env bash
# Prepares a machine for building and testing Valley. Idempotent: a second run finds everything and takes about a second.
#
#   launch/setup.sh            install what is missing: Debian packages, then .venv with torch and the test tools
#   launch/setup.sh --check    only say what is missing (exit 1 if anything is)
#
# Environment: VALLEY_VENV   where the Python environment lies (default: .venv in the checkout)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kRequirements=launch/requirements.txt
# Build: compiler, MPI, HDF5 and small libraries. Run: the emoji font. Test: GoogleTest, h5dump and a tiny tmpfs (mount).
readonly kPackages=(
  build-essential pkg-config git ccache python3 python3-venv python3-pip
  libopenmpi-dev openmpi-bin libhdf5-dev libfreetype-dev libpng-dev libssl-dev
  libcli11-dev libtomlplusplus-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  fonts-noto-color-emoji
)

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
  local package
  for package in "${kPackages[@]}"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || printf '%s\n' "$package"
  done
}

install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    say "these Debian packages are missing and only root can install them; please run:"
    printf '  sudo apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
  fi
  say "installing ${#missing[@]} Debian packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The environment is current when the file it was made from is the file we have: a digest says so.
venv_stamp() { sha256sum "$kRequirements" | cut -d' ' -f1; }
venv_is_current() { [[ -x "$kVenv/bin/python" && "$(cat "$kVenv/.valley-stamp" 2>/dev/null)" == "$(venv_stamp)" ]]; }

install_venv() {
  venv_is_current && return
  say "creating $kVenv (torch is large: about a minute on a fast link)"
  [[ -x "$kVenv/bin/python" ]] || python3 -m venv "$kVenv"
  "$kVenv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$kRequirements"
  venv_stamp >"$kVenv/.valley-stamp"
}

if [[ "${1:-}" == --check ]]; then
  missing="$(missing_packages | tr '\n' ' ')"
  [[ -z "$missing" ]] || say "missing Debian packages: $missing"
  venv_is_current || say "missing or outdated: $kVenv"
  [[ -z "$missing" ]] && venv_is_current
  exit
elif [[ -n "${1:-}" ]]; then
  sed -n '2,8p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
  [[ "$1" == --help || "$1" == -h ]] && exit 0
  exit 2
fi
install_packages
install_venv
say "ready"
