"""Building without root against a prefix, on a host without the small libraries; and messages of CMake for missing or
incompatible dependencies."""

import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile

import pytest
from cmake_cache import CMAKE, TORCH, cached
from elsewhere import clean, hiding, need_namespaces, run
from program import REPOSITORY

PACKAGES = ["libfmt-dev", "libfmt9", "libspdlog-dev", "libspdlog1.10", "nlohmann-json3-dev", "libcli11-dev",
            "libtomlplusplus-dev", "libtomlplusplus3"]
HEADERS = {"fmt": "fmt", "spdlog": "spdlog", "json": "nlohmann", "CLI11": "CLI", "tomlplusplus": "toml++"}
NOBODY = 65534


def files_of_packages():
    """Installed files of these Debian packages."""
    listed = subprocess.run(["dpkg", "-L", *PACKAGES], capture_output=True, text=True, timeout=60, check=False)
    if listed.returncode != 0:
        pytest.skip("the small libraries are not from Debian's packages here: " + listed.stderr)
    files = {line for line in listed.stdout.splitlines() if line.startswith("/usr/") and not line.startswith("/usr/share/doc")}
    return sorted(file for file in files if os.path.isfile(file) or os.path.islink(file))


@pytest.fixture(scope="module")
def place():
    """A folder of a user without root: with `usr`, the packages' files; and `dependencies`, a folder of checkouts."""
    if os.geteuid() == 0 and not os.stat(REPOSITORY).st_mode & 0o005:
        pytest.skip(f"other users cannot read {REPOSITORY}")
    need_namespaces()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="valley-user-"))
    for file in files_of_packages():
        copy = folder / file.removeprefix("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy, follow_symlinks=False)
    for name, header in HEADERS.items():
        shutil.copytree(folder / "usr" / "include" / header, folder / "dependencies" / name / "include" / header)
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    yield folder
    shutil.rmtree(folder)


def hidden():
    """Installed copies of these libraries: folders and library files."""
    folders = {f"/usr/include/{header}" for header in HEADERS.values()}
    for file in files_of_packages():
        if "/cmake/" in file:
            folders.add(os.path.dirname(file))
        elif ".so" in file:
            folders.add(file)
    return folders


def build_as_user(place, setting, targets, then="true"):
    """Configures and builds as user nobody in `place`, with the small libraries of the host hidden."""
    build = place / setting.partition("=")[0]
    user = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups" if os.geteuid() == 0 else ""
    start = f"{user} {shlex.join(clean(place))}"
    arguments = ["-S", REPOSITORY, "-B", build, "-G", "Ninja", f"-DTorch_DIR={TORCH}/share/cmake/Torch", "-DVALLEY_CUDA=OFF",
                 "-DVALLEY_PRECOMPILE=OFF", "-DCMAKE_CXX_FLAGS_RELEASE=-O0", f"-D{setting}",
                 f"-DCMAKE_MAKE_PROGRAM={cached('CMAKE_MAKE_PROGRAM')}"]
    done = run(f"""
        {hiding(hidden())}
        cd {place}
        {start} {shlex.join(map(str, [CMAKE, *arguments]))}
        {start} {CMAKE} --build {build} --target {targets}
        {start} {then}
        """)
    # The objects were compiled there, by that user.
    assert f"{setting.partition('=')[2]}/" in (build / "compile_commands.json").read_text()
    if os.geteuid() == 0:
        assert (build / "src" / "core" / "libvalley_core.a").stat().st_uid == NOBODY
    return done


def test_user_without_root_builds_against_a_prefix(place):
    """Packages unpacked into a folder: compiled, linked and run."""
    test = place / "CMAKE_PREFIX_PATH" / "tests" / "record" / "test_record"
    run_it = f"sh -c 'LD_LIBRARY_PATH=$(echo {place}/usr/lib/*-linux-gnu) {test} --gtest_brief=1'"
    done = build_as_user(place, f"CMAKE_PREFIX_PATH={place}/usr", "test_record", run_it)
    assert "[  PASSED  ]" in done.stdout


def test_user_without_root_builds_with_a_dependency_folder(place):
    """With headers only, which is detected by compiling."""
    record = "src/record/CMakeFiles/valley_record.dir/Unity/unity_0_cxx.cxx.o"
    build_as_user(place, f"VALLEY_DEPENDENCIES={place}/dependencies", f"valley_core {record}")


def configure(tmp_path, *arguments, expect=1, **variables):
    """Output of CMake with its lines, which it wraps at 80 columns, joined."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CUDACXX", "CUDA_HOME", "CUDA_PATH")}
    done = subprocess.run([CMAKE, "-S", REPOSITORY, "-B", tmp_path / "build", "-G", "Ninja",
                           f"-DCMAKE_MAKE_PROGRAM={cached('CMAKE_MAKE_PROGRAM')}",
                           f"-DVALLEY_VENV={cached('VALLEY_VENV')}", *arguments],
                          capture_output=True, text=True, timeout=120, check=False, env=environment | variables)
    assert done.returncode == expect, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_all_missing_dependencies_are_named_with_their_variables(tmp_path):
    says = configure(tmp_path, "-DTorch_DIR=/nowhere/torch/share/cmake/Torch", "-DHDF5_ROOT=/nowhere",
                     *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("MPI", "CLI11", "GTest")))
    for expected in ("LibTorch 2.8 or newer: run launch/setup.sh, or pass -DTorch_DIR=",
                     "MPI: its mpicc on PATH, or pass -DMPI_HOME=", "HDF5's C library: its h5cc on PATH, or set HDF5_ROOT=",
                     "CLI11-2.1.2.tar.gz in VALLEY_DEPENDENCIES",
                     "GoogleTest:", "-DVALLEY_TESTS=OFF", "docs/building.md"):
        assert expected in says
    assert says.count("CMake Error") == 1
    assert "libpng" not in says


def test_old_libtorch_is_rejected(tmp_path):
    include = tmp_path / "torch" / "include"
    for header in ("ATen/core/Tensor.h", "torch/csrc/api/include/torch/version.h", "../lib/libtorch_cpu.so", "../lib/libc10.so"):
        (include / header).parent.mkdir(parents=True, exist_ok=True)
        (include / header).touch()
    (include / "torch/csrc/api/include/torch/version.h").write_text(
        "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 7\n#define TORCH_VERSION_PATCH 1\n")
    assert "LibTorch 2.8 or newer" in configure(tmp_path, f"-DVALLEY_TORCH_ROOT={tmp_path}/torch")


@pytest.fixture
def nvcc(tmp_path):
    """A fake nvcc that reports a CUDA version which no LibTorch has."""
    program = tmp_path / "bin" / "nvcc"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "Cuda compilation tools, release 99.4, V99.4.131"\n')
    program.chmod(0o755)
    return program


def test_nvcc_of_another_cuda_version_is_rejected(tmp_path, nvcc):
    if not (TORCH / "lib" / "libc10_cuda.so").exists():
        pytest.skip(f"{TORCH} is a LibTorch without CUDA")
    says = configure(tmp_path, f"-DCMAKE_CUDA_COMPILER={nvcc}")
    assert f"nvcc is of CUDA 99.4 ({nvcc}), but the LibTorch in {TORCH} was built with CUDA " in says
    assert "-DCMAKE_CUDA_COMPILER=.../bin/nvcc" in says and "-DVALLEY_CUDA=OFF" in says
    shutil.rmtree(tmp_path / "build")
    assert "nvcc is of CUDA 99.4" in configure(tmp_path, CUDACXX=str(nvcc))


def test_libtorch_without_cuda_builds_for_cpu_unless_cuda_is_requested(tmp_path, nvcc):
    torch = tmp_path / "torch"
    (torch / "lib").mkdir(parents=True)
    (torch / "include").symlink_to(TORCH / "include")
    for library in ("libtorch_cpu.so", "libc10.so"):
        (torch / "lib" / library).symlink_to(TORCH / "lib" / library)
    arguments = [f"-DVALLEY_TORCH_ROOT={torch}", f"-DCMAKE_CUDA_COMPILER={nvcc}"]
    assert f"the LibTorch in {torch} was built without it" in configure(tmp_path, *arguments, "-DVALLEY_CUDA=ON")
    shutil.rmtree(tmp_path / "build")
    assert "CUDA OFF, LibTorch 2." in configure(tmp_path, *arguments, expect=0)


def test_archive_with_another_checksum_is_rejected(tmp_path):
    for name in ("fmt-9.1.0", "spdlog-1.10.0"):
        (tmp_path / f"{name}.tar.gz").write_bytes(b"something else")
    digest = hashlib.sha256(b"something else").hexdigest()
    says = configure(tmp_path, f"-DVALLEY_DEPENDENCIES={tmp_path}")
    assert f"{tmp_path}/fmt-9.1.0.tar.gz is not the release that Valley pins. Its SHA-256 is {digest}" in says


def test_documented_checksums_are_the_pinned_ones():
    pinned = set(re.findall(r"\b[0-9a-f]{64}\b", (REPOSITORY / "cmake" / "ValleyDependencies.cmake").read_text()))
    assert len(pinned) == 6
    assert pinned == set(re.findall(r"\b[0-9a-f]{64}\b", (REPOSITORY / "docs" / "building.md").read_text()))


def test_fmt_without_spdlog_is_rejected(tmp_path):
    (tmp_path / "fmt" / "include").mkdir(parents=True)
    assert "has only one of fmt and spdlog" in configure(tmp_path, f"-DVALLEY_DEPENDENCIES={tmp_path}")


def test_headers_and_license_of_an_archive_are_unpacked(tmp_path):
    for file in ("include/tiny.h", "LICENSE.md", "docs/large.txt"):
        (tmp_path / "tiny-1.0" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tiny-1.0" / file).write_text(file)
    archive = tmp_path / "tiny-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "tiny-1.0", "tiny-1.0")
    shutil.rmtree(tmp_path / "tiny-1.0")
    script = tmp_path / "unpack.cmake"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    script.write_text(f"""
        cmake_minimum_required(VERSION 3.25)
        set(VALLEY_DEPENDENCIES "{tmp_path}")
        include("{REPOSITORY}/cmake/ValleyDependencies.cmake")
        valley_local(tiny 1.0 {digest} include/tiny.h folder)
        message("${{folder}}")
        """)
    done = subprocess.run([CMAKE, "-P", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    folder = pathlib.Path(done.stderr.strip())
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"tiny.h", "LICENSE.md"}


def test_build_script_without_cmake_prints_the_command_to_run(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "nproc"):
        (tools / tool).symlink_to(shutil.which(tool))
    done = subprocess.run([REPOSITORY / "launch" / "build.sh"], capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": str(tools), "VALLEY_VENV": str(tmp_path), "VALLEY_BUILD": str(tmp_path / "build")})
    assert done.returncode == 1
    assert done.stderr == "build: cmake and ninja are needed: run launch/setup.sh, or put them on the PATH (docs/building.md)\n"
