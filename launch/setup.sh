#!/usr/bin/env bash
# Prepares a machine for building Valley. Idempotent: a second run finds everything and takes about a second.
#
#   launch/setup.sh            install what is missing: Debian packages, then .venv with torch and the build tools
#   launch/setup.sh --tests    also what the tests compare with: Slurm, Chromium, TensorBoard, Debian's Pillow, ...
#   launch/setup.sh --check    only say what is missing (exit 1 if anything is); also after --tests
#
# Environment: VALLEY_VENV   where the Python environment lies (default: .venv in the checkout)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kRequirements=launch/requirements.txt
readonly kTestRequirements=launch/requirements-test.txt
# Build: compiler, MPI, HDF5 and small libraries. Run: the emoji font.
packages=(
  build-essential pkg-config git ccache patchelf python3 python3-venv python3-pip
  libopenmpi-dev openmpi-bin libhdf5-dev libfreetype-dev libpng-dev libjpeg-dev libwebp-dev libssl-dev
  libcli11-dev libtomlplusplus-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  fonts-noto-color-emoji
)
# The peers of the tests, each the real one.
readonly kTestPackages=(
  munge slurm-wlm iproute2 chromium python3-pil fonts-dejavu-core bash-completion shellcheck
)

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
  local package
  for package in "${packages[@]}"; do
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

# The environment is current when the files it was made from are the files we have: digests say so.
stamp_of() { sha256sum "$1" | cut -d' ' -f1; }
has_requirements() { # FILE STAMP
  [[ -x "$kVenv/bin/python" && "$(cat "$kVenv/$2" 2>/dev/null)" == "$(stamp_of "$1")" ]]
}
venv_is_current() {
  has_requirements "$kRequirements" .valley-stamp || return 1
  ((!with_tests)) || has_requirements "$kTestRequirements" .valley-test-stamp
}

install_requirements() { # FILE STAMP
  has_requirements "$1" "$2" && return
  "$kVenv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1"
  stamp_of "$1" >"$kVenv/$2"
}

install_venv() {
  venv_is_current && return
  say "preparing $kVenv (torch is large: about a minute on a fast link)"
  [[ -x "$kVenv/bin/python" ]] || python3 -m venv "$kVenv"
  install_requirements "$kRequirements" .valley-stamp
  ((!with_tests)) || install_requirements "$kTestRequirements" .valley-test-stamp
}

with_tests=0
if [[ "${1:-}" == --tests ]]; then
  with_tests=1
  packages+=("${kTestPackages[@]}")
  shift
fi
if [[ "${1:-}" == --check ]]; then
  lacking="$(missing_packages | tr '\n' ' ')"
  [[ -z "$lacking" ]] || say "missing Debian packages: $lacking"
  venv_is_current || say "missing or outdated: $kVenv"
  [[ -z "$lacking" ]] && venv_is_current
  exit
elif [[ -n "${1:-}" ]]; then
  sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
  [[ "$1" == --help || "$1" == -h ]] && exit 0
  exit 2
fi
install_packages
install_venv
say "ready"
