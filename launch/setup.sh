#!/usr/bin/env bash
# Prepares a machine for building Valley. Idempotent: a second run finds everything and takes about a second.
#
#   launch/setup.sh            install what is missing: Debian packages, then .venv with torch and the build tools
#   launch/setup.sh --tests    also programs that the tests compare with: Slurm, Chromium, Debian's Pillow, ...
#   launch/setup.sh --cuda     also nvcc from PyPI; implied on a machine with a GPU and no nvcc of CUDA 13
#   launch/setup.sh --check    only print what is missing (exit code 1 if anything is); also after --tests or --cuda
#
# Environment: VALLEY_VENV   folder of the Python environment (default: .venv in the checkout)
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kRequirements=launch/requirements.txt
readonly kTestRequirements=launch/requirements-test.txt
readonly kCudaRequirements=launch/requirements-cuda.txt
readonly kCudaMajor=13 # of the torch in requirements.txt
# Build: compiler, MPI, HDF5 and small libraries. Run: the emoji font.
packages=(
  build-essential pkg-config git ccache patchelf python3 python3-venv python3-pip
  libopenmpi-dev openmpi-bin libhdf5-dev libfreetype-dev libpng-dev libjpeg-dev libwebp-dev libssl-dev
  libarchive-dev libzip-dev liblmdb-dev
  libcli11-dev libtomlplusplus-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  fonts-noto-color-emoji
)
# Programs that the tests compare with.
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

require_root() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} > 0 && EUID != 0)) || return 0
  say "Debian packages are missing, and only root can install them; run:"
  printf '  sudo apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
  exit 1
}

install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) && return
  say "installing ${#missing[@]} Debian packages"
  local began=$SECONDS
  export DEBIAN_FRONTEND=noninteractive
  [[ -n "$updated" ]] || apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  say "Debian packages: $((SECONDS - began)) s"
}

# Installs what `python3 -m venv` needs first, so that the environment does not wait for the other packages.
install_python() {
  ! python3 -c 'import ensurepip' 2>/dev/null || return 0
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  updated=yes
  apt-get install -y -qq --no-install-recommends python3 python3-venv python3-pip >/dev/null
}

# The environment is current if the digests of its requirement files are unchanged.
digest_of() { sha256sum "$1" | cut -d' ' -f1; }
has_requirements() { # FILE STAMP
  [[ -x "$kVenv/bin/python" && "$(cat "$kVenv/$2" 2>/dev/null)" == "$(digest_of "$1")" ]]
}
has_gpu() { compgen -G '/dev/nvidia[0-9]*' >/dev/null; }
# Prints the major version of the nvcc that CMake would use: that of CUDACXX, CUDA_HOME, the PATH or /usr/local/cuda.
nvcc_major() {
  local nvcc
  nvcc="$(PATH="${CUDA_HOME:+$CUDA_HOME/bin:}$PATH:/usr/local/cuda/bin" command -v "${CUDACXX:-nvcc}")" || return 0
  "$nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9]*\)\..*/\1/p'
}
needs_nvcc() { ((with_cuda)) || { has_gpu && [[ "$(nvcc_major)" != "$kCudaMajor" ]]; }; }
venv_is_current() {
  has_requirements "$kRequirements" .valley-stamp || return 1
  ! needs_nvcc || has_requirements "$kCudaRequirements" .valley-cuda-stamp || return 1
  ((!with_tests)) || has_requirements "$kTestRequirements" .valley-test-stamp
}

# Installs with uv, which unpacks LibTorch's 4.8 GB on all cores, or with pip if uv is not available or fails. pip's settings
# (mirror, certificate, folder of wheels) are passed to uv. uv's cache is in the environment, so that files are linked rather
# than copied, and is removed afterwards.
install_from() { # FILE
  local pip=("$kVenv/bin/python" -m pip --quiet --disable-pip-version-check) name value
  local -a settings=(UV_CACHE_DIR="$kVenv/.uv-cache" UV_INDEX_STRATEGY=unsafe-best-match)
  if "${pip[@]}" install uv 2>/dev/null; then
    for name in index-url=UV_DEFAULT_INDEX extra-index-url=UV_INDEX find-links=UV_FIND_LINKS cert=SSL_CERT_FILE; do
      value="$(pip_setting "${name%=*}")"
      [[ -z "$value" || -n "$(printenv "${name#*=}")" ]] || settings+=("${name#*=}=$value")
    done
    if env "${settings[@]}" "$kVenv/bin/uv" pip install --quiet --python "$kVenv/bin/python" -r "$1"; then
      rm -rf "$kVenv/.uv-cache"
      return
    fi
    say "uv failed, for the reason above; trying pip"
    rm -rf "$kVenv/.uv-cache"
  fi
  "${pip[@]}" install --no-compile -r "$1"
}

# Prints a setting of pip's files or environment; nothing if it is the default.
pip_setting() { # NAME
  "$kVenv/bin/python" -m pip config list 2>/dev/null |
    sed -n "s/^\(:env:\|global\|user\|site\|install\)\.$1='\(.*\)'$/\2/p" | head -n 1
}

install_requirements() { # FILE STAMP
  has_requirements "$1" "$2" && return
  install_from "$1"
  digest_of "$1" >"$kVenv/$2"
}

# Adds links to the packages: nvcc searches lib64, and the linker needs libcudart.so without a version.
install_nvcc() {
  install_requirements "$kCudaRequirements" .valley-cuda-stamp
  local folder
  for folder in "$kVenv"/lib/python3*/site-packages/nvidia/cu"$kCudaMajor"; do
    ln -sfn lib "$folder/lib64"
    ln -sf "libcudart.so.$kCudaMajor" "$folder/lib/libcudart.so"
  done
}

install_venv() {
  venv_is_current && return
  say "preparing $kVenv (LibTorch is large: about a minute on a fast link)"
  local began=$SECONDS
  [[ -x "$kVenv/bin/python" ]] || python3 -m venv "$kVenv"
  install_requirements "$kRequirements" .valley-stamp
  ((!with_tests)) || install_requirements "$kTestRequirements" .valley-test-stamp
  ! needs_nvcc || install_nvcc
  say "Python environment: $((SECONDS - began)) s"
}

with_tests=0
with_cuda=0
while [[ "${1:-}" == --tests || "${1:-}" == --cuda ]]; do
  if [[ "$1" == --tests ]]; then
    with_tests=1
    packages+=("${kTestPackages[@]}")
  else
    with_cuda=1
  fi
  shift
done
if [[ "${1:-}" == --check ]]; then
  lacking="$(missing_packages | tr '\n' ' ')"
  [[ -z "$lacking" ]] || say "missing Debian packages: $lacking"
  venv_is_current || say "missing or outdated: $kVenv"
  [[ -z "$lacking" ]] && venv_is_current
  exit
elif [[ -n "${1:-}" ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  [[ "$1" == --help || "$1" == -h ]] && exit 0
  exit 2
fi
require_root
updated=""
install_python
# In parallel: packages wait for the disk and dpkg, the environment for the network.
install_packages &
packages_pid=$!
install_venv &
venv_pid=$!
status=0
wait "$packages_pid" || status=1
wait "$venv_pid" || status=1
((status == 0)) || exit "$status"
say "ready"
