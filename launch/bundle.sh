#!/usr/bin/env bash
# Packs the built program into a folder that runs under any path: with its MPI runtime, HDF5 and all other libraries, but
# without LibTorch and CUDA, which take gigabytes and are expected on the target machine (launch/bundle/README.md is the
# README of the bundle). Needs no network on either machine.
#
#   launch/bundle.sh [-o FOLDER|FILE.tar.gz] [--tests] [--data FOLDER ...]
#
#   -o        output (default: valley-VERSION-linux-x86_64-BACKEND.tar.gz here); must not exist
#   --tests   adds the tests of kernels, communication and training, and tests/gpu.sh, for a machine with GPUs
#   --data    adds a folder of shards as data/NAME; may be repeated
#
# Environment: VALLEY_BUILD  the build folder (default: build)
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
readonly kCaller="$PWD" # arguments are relative to it
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kBuild="${VALLEY_BUILD:-$PWD/build}"
readonly kTemplates=launch/bundle
readonly kTests=(kernels/test_kernels comm/test_comm comm/test_comm_contract train/test_train train/test_train_ranks)
# Not bundled: the C library, and libraries of network hardware, which must match the drivers of the target machine.
readonly kBase='^(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|anl|nsl|mvec))\.so\.[0-9]+$'
readonly kHardware='lib(ibverbs|rdmacm|fabric|ucp|ucs|uct|psm2?|psm_infinipath|nl-3|nl-route-3|oshmem)\.so'
# Not bundled: LibTorch and CUDA of the target machine.
readonly kTorch='^lib(torch.*|c10.*|cuda|cudart|nccl)\.so'
export PATH="$kVenv/bin:$PATH"

say() { printf 'bundle: %s\n' "$*" >&2; }
refuse() {
  say "$1"
  exit "${2:-66}"
}
usage() { sed -n '2,12p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; }

# Prints a setting of the build folder.
cached() { sed -n "s/^$1:[A-Z]*=//p" "$kBuild/CMakeCache.txt"; }

# Copies an ELF file and sets its library search path to SEARCH, relative to the file.
copy_binary() { # FROM TO SEARCH
  install -m 755 "$1" "$2"
  strip --strip-unneeded "$2"
  patchelf --set-rpath "$3" "$2"
  origins+=("$(readlink -f "$1")")
}

# Copies the libraries that a file needs, recursively, except LibTorch.
copy_libraries_of() { # FILE
  local name path
  local -A found
  while read -r name path; do found["$name"]="$path"; done < <(ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}')
  for name in $(objdump -p "$1" | awk '$1 == "NEEDED" {print $2}'); do
    [[ "$name" =~ $kBase || "$name" =~ $kTorch || -e "$root/lib/$name" || -e "$root/lib/gcc/$name" ]] && continue
    path="${found["$name"]:?$1 needs this library, and the loader does not find it}"
    case "$name" in
      libstdc++.so.6 | libgcc_s.so.1) copy_binary "$path" "$root/lib/gcc/$name" "\$ORIGIN" ;;
      *) copy_binary "$path" "$root/lib/$name" "\$ORIGIN" ;;
    esac
    copy_libraries_of "$path"
  done
}

# Adds libexec/NAME, and bin/NAME, a script that prepares the environment and starts it.
add_program() { # FROM NAME [torch]
  copy_libraries_of "$1"
  copy_binary "$1" "$root/libexec/$2" "\$ORIGIN/../lib"
  sed -e "s/@NAME@/$2/g" -e "s/@NEEDS@/${3:-nothing}/g" "$kTemplates/start.sh.in" >"$root/bin/$2"
  chmod 755 "$root/bin/$2"
}

add_plugins() { # FROM-FOLDER TO-FOLDER
  local plugin
  for plugin in "$1"/*.so; do
    if ldd "$plugin" | grep -E "$kHardware" >/dev/null; then continue; fi
    copy_libraries_of "$plugin"
    copy_binary "$plugin" "$2/${plugin##*/}" "\$ORIGIN/.."
  done
}

ompi_path() { ompi_info --path "$1" --parsable | sed -n "s/^path:$1://p"; }

add_mpi() {
  local pmix
  add_program "$(readlink -f "$(command -v mpirun)")" mpirun
  add_program "$(readlink -f "$(command -v orted)")" orted
  add_plugins "$(ompi_path pkglibdir)" "$root/lib/openmpi"
  cp -r "$(ompi_path pkgdatadir)"/. "$root/share/openmpi"
  rm -f "$root"/share/openmpi/*wrapper-data.txt
  grep -v '^ *#' "$(ompi_path sysconfdir)/openmpi-mca-params.conf" >"$root/etc/openmpi/openmpi-mca-params.conf" || true
  # If PMIx is a separate library (Debian), its plug-ins and messages are in the same folder.
  pmix="$(ldd "$(ompi_path pkglibdir)"/mca_pmix_*.so | awk '$1 ~ /^libpmix\.so/ {print $3; exit}')"
  if [[ -n "$pmix" ]]; then
    pmix="$(dirname "$(readlink -f "$pmix")")"
    if [[ -d "$pmix/pmix" ]]; then add_plugins "$pmix/pmix" "$root/lib/pmix"; fi
    if [[ -d "$pmix/../share/pmix" ]]; then cp -r "$pmix/../share/pmix/." "$root/share/pmix"; fi
  fi
}

# tests/gpu.sh, its steps, and the PyTorch peer of the step times. `cmake --install` adds configs/ and examples/.
add_gpu_validation() {
  local share="$root/share/valley"
  mkdir -p "$share/tests/gpu" "$share/bench"
  install -m 755 tests/gpu.sh "$share/tests/gpu.sh"
  install -m 644 tests/gpu/*.py tests/gpu/*.json "$share/tests/gpu/"
  install -m 644 bench/peer_ddp.py bench/peer_base.py bench/{began,ebm,hinge,rbm}_peer.py bench/ranks.py "$share/bench/"
}

# Prints the Debian packages of the copied files; dpkg lists some files under their names before /usr was merged.
packages_of_origins() {
  dpkg -S "${origins[@]}" "${origins[@]#/usr}" 2>/dev/null | cut -d: -f1 | sort -u || true
}

# Adds licenses, also those of header-only libraries.
add_licenses() {
  local package
  for package in ${packages[@]+"${packages[@]}"} libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev; do
    if [[ -f "/usr/share/doc/$package/copyright" ]]; then
      install -D -m 644 "/usr/share/doc/$package/copyright" "$root/share/licenses/$package/copyright"
    fi
  done
  for package in "$kBuild"/dependencies/*/*-*/ "$(cached VALLEY_DEPENDENCIES)"/*/; do
    compgen -G "${package}LICENSE*" >/dev/null || continue
    mkdir -p "$root/share/licenses/$(basename "$package")"
    cp -r "$package"LICENSE* "$root/share/licenses/$(basename "$package")/"
  done
}

# Prints the newest version of a symbol set that any bundled file needs: newest_of GLIBC -> 2.36
newest_of() {
  find "$root/lib" "$root/libexec" ! -name 'libstdc++*' -type f -exec objdump -T {} + 2>/dev/null |
    grep -oE "$1_[0-9]+(\.[0-9]+)*" | cut -d_ -f2 | sort -Vu | tail -n 1
}

write_environment() {
  sed -e "s/@TORCH@/$torch_version/g" -e "s/@CUDA@/$cuda/g" -e "s/@GLIBC@/$(newest_of GLIBC)/g" \
    -e "s/@GLIBCXX@/$(newest_of GLIBCXX)/g" "$kTemplates/environment.sh.in" >"$root/libexec/environment.sh"
  sed -e "s/@TORCH@/${torch_version%.*}/g" -e "s/@CUDA@/${cuda:-none}/g" -e "s/@GLIBC@/$(newest_of GLIBC)/g" \
    "$kTemplates/README.md" >"$root/README.md"
}

write_manifest() {
  {
    printf '# valley %s, commit %s\n' "$version" "$(git describe --always --dirty 2>/dev/null || echo unknown)"
    printf '# LibTorch %s, CUDA %s (neither is part of the bundle)\n' "$torch_version" "${cuda:-none}"
    ((${#packages[@]} == 0)) || dpkg-query -W -f '# ${Package} ${Version}\n' "${packages[@]}" | sort -u
    (builtin cd -- "$root" && find . -type f ! -name MANIFEST -printf '%P\0' | sort -z | xargs -0 sha256sum)
  } >"$root/MANIFEST"
}

check_tools() {
  local tool
  for tool in patchelf strip objdump ldd mpirun orted ompi_info; do
    command -v "$tool" >/dev/null ||
      refuse "$tool is missing: launch/setup.sh installs it (mpirun, orted and ompi_info are part of Open MPI)"
  done
  [[ -x "$kBuild/valley" ]] || refuse "no $kBuild/valley: run launch/build.sh first, or set VALLEY_BUILD"
  for tool in "${kTests[@]}"; do
    ((!with_tests)) || [[ -x "$kBuild/tests/$tool" ]] || refuse "no $kBuild/tests/$tool: run launch/build.sh first"
  done
  ldd "$kBuild/valley" | grep 'libmpi\.so\.40' >/dev/null ||
    refuse "only programs built with Open MPI 4 can be bundled: $kBuild/valley uses another MPI"
}

from_caller() { [[ "$1" == /* ]] && echo "$1" || echo "$kCaller/$1"; }

output="" with_tests=0
data=()
while (($# > 0)); do
  case "$1" in
    -o | --data) (($# > 1)) || refuse "$1 needs an argument" 2 ;;&
    -o) output="$(from_caller "$2")" && shift 2 ;;
    --data) data+=("$(from_caller "$2")") && shift 2 ;;
    --tests) with_tests=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && refuse "unknown argument: $1" 2 ;;
  esac
done

check_tools
torch="$(cached VALLEY_TORCH_ROOT)"
torch_version="$(awk '/define TORCH_VERSION_(MAJOR|MINOR|PATCH) /{printf "%s%s", sep, $3; sep = "."}' \
  "$torch/include/torch/headeronly/version.h" "$torch/include/torch/csrc/api/include/torch/version.h" 2>/dev/null)"
# Read from the program, because LibTorch may load a CUDA runtime that a CPU-only program does not need.
cuda="$(objdump -p "$kBuild/valley" | sed -n 's/.*NEEDED *libcudart\.so\.//p')"
version="$("$kBuild/valley" --version | sed -n '1s/^valley \([^ ]*\).*/\1/p')"
backend="${cuda:+cuda$cuda}"
# The quickstart compiles kernels for the GPUs of this machine only.
architectures="$(cached CMAKE_CUDA_ARCHITECTURES)"
[[ -z "$cuda" || -z "$architectures" ]] ||
  say "kernels are for compute capability ${architectures//;/, } only; for all GPUs, build in a new folder with launch/build.sh"
name="valley-$version-linux-$(uname -m)-${backend:-cpu}"
output="${output:-$kCaller/$name.tar.gz}"
[[ ! -e "$output" ]] || refuse "$output exists: remove it, or choose another name with -o" 73
for folder in ${data[@]+"${data[@]}"}; do
  [[ -f "$folder/SHA256SUMS" ]] || refuse "$folder is not a folder of shards: it has no SHA256SUMS"
done

work="$(mktemp -d "$(dirname "$output")/.bundle-XXXXXX")"
trap 'rm -rf "$work"' EXIT
root="$work/$name"
origins=()
cmake --install "$kBuild" --prefix "$root" >/dev/null
mkdir -p "$root"/lib/{gcc,openmpi,pmix} "$root"/libexec "$root"/etc/{openmpi,pmix} "$root"/share/{openmpi,pmix}
add_program "$kBuild/valley" valley torch
if [[ -e "$kBuild/libvalley_gpu.so" ]]; then
  copy_libraries_of "$kBuild/libvalley_gpu.so"
  copy_binary "$kBuild/libvalley_gpu.so" "$root/lib/libvalley_gpu.so" "\$ORIGIN"
fi
add_mpi
if ((with_tests)); then
  for test in "${kTests[@]}"; do add_program "$kBuild/tests/$test" "${test##*/}" torch; done
  add_gpu_validation
fi
for folder in ${data[@]+"${data[@]}"}; do
  mkdir -p "$root/data"
  cp -r "$folder" "$root/data/"
done
mapfile -t packages < <(packages_of_origins)
add_licenses
write_environment
printf '%s\n' "$version" >"$root/VERSION"
cp LICENSE "$root/LICENSE"
write_manifest

case "$output" in
  *.tar.gz) tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -czf "$output" "$name" ;;
  *) mv "$root" "$output" ;;
esac
say "$output: $(du -sh "$output" | cut -f1)"
