"""The bundle on another host: no build tree, no MPI, no HDF5, another path with a space in it, an empty environment."""

import glob
import os
import re
import shlex
import subprocess

import pytest
from cmake_cache import TORCH
from conftest import CONFIG, FACES
from elsewhere import clean, hiding, need_namespaces, run
from program import BUILD, MISSING, REPOSITORY, USAGE

LIBRARIES = "/usr/lib/*-linux-gnu"
# Hides the libraries that the bundle contains, so that only its copies can be used. libcrypto and libz stay: coreutils need them.
SYSTEMS_OWN = ["mpi", "open-", "mca_", "pmix", "hdf5", "freetype", "png16", "spdlog", "fmt", "tomlplusplus", "hwloc", "event",
               "sz", "aec"]
HIDDEN = [
    *(path for name in SYSTEMS_OWN for path in glob.glob(f"{LIBRARIES}/lib{name}*.so*")),
    *glob.glob(f"{LIBRARIES}/openmpi"), *glob.glob(f"{LIBRARIES}/pmix2"), *glob.glob(f"{LIBRARIES}/hdf5"),
    "/usr/share/openmpi", "/etc/openmpi", "/usr/bin/mpirun", "/usr/bin/orted",
]
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def bundle(*arguments, folder=None):
    return subprocess.run([REPOSITORY / "launch" / "bundle.sh", *map(str, arguments)], capture_output=True, text=True,
                          timeout=300, check=False, cwd=folder)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, faces):
    file = tmp_path_factory.mktemp("bundle") / "valley.tar.gz"
    done = bundle("-o", file.name, "--tests", "--data", os.path.relpath(faces, file.parent), folder=file.parent)
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="module")
def unpacked(archive):
    """The unpacked archive, in a path with a space."""
    place = archive.parent / "another place"
    place.mkdir()
    subprocess.run(["tar", "-C", place, "-xzf", archive], check=True, timeout=60)
    [folder] = place.iterdir()
    return folder


def test_bundle_is_small_and_lists_its_contents(archive, unpacked):
    size = sum(path.stat().st_size for path in unpacked.rglob("*") if path.is_file())
    # Unpacked and packed: 64 MiB and 30 MB, a fifth of it tests, plus what libarchive links: libxml2 with the 31 MB of ICU's data.
    assert size < 100 << 20, size
    assert archive.stat().st_size < 42e6, archive.stat().st_size
    check = subprocess.run(["sha256sum", "-c", "--quiet", "MANIFEST"], cwd=unpacked, capture_output=True, text=True,
                           timeout=60, check=False)
    assert (check.returncode, check.stdout) == (0, "")
    listed = {line.split("  ", 1)[1] for line in (unpacked / "MANIFEST").read_text().splitlines() if line[0] != "#"}
    assert listed == {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()} - {"MANIFEST"}
    assert (unpacked / "VERSION").read_text().strip() in (unpacked / "MANIFEST").read_text().splitlines()[0]
    assert (unpacked / "share" / "valley" / "configs" / "quickstart.toml").is_file()
    for package in ("libhdf5-103-1", "openmpi-bin", "libspdlog-dev"):
        assert (unpacked / "share" / "licenses" / package / "copyright").is_file()


def test_bundle_contains_no_paths_of_the_build_host(unpacked):
    for path in [*unpacked.glob("bin/*"), *unpacked.glob("lib*/**/*")]:
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            dynamic = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True, timeout=60).stdout
            for folders in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic):
                assert all(folder.startswith("$ORIGIN") for folder in folders.split(":")), f"{path}: {folders}"


def test_bundle_shards_trains_and_samples_on_another_host(unpacked, tmp_path):
    need_namespaces()
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG.format(data=tmp_path / "faces"))
    venv, moved = tmp_path / "torch", tmp_path / "moved"
    venv.mkdir()
    q = shlex.quote
    start = shlex.join(clean(tmp_path, VALLEY_TORCH=venv, **AS_ROOT))
    train = f"train {q(str(config))} --out {q(str(tmp_path / 'runs'))}"
    ranks = "bin/mpirun --oversubscribe --bind-to none -n 2 bin/valley"
    # LibTorch's wheel finds related libraries by relative paths: move them together.
    done = run(f"""
        site={q(str(TORCH))}/..
        mount --bind "$site" {q(str(venv))}
        {hiding([*HIDDEN, REPOSITORY, BUILD])}
        if [ -e {q(str(REPOSITORY))}/launch ]; then echo the checkout is still there; exit 1; fi
        start="{start.replace(f'VALLEY_TORCH={venv}', f'VALLEY_TORCH={venv}/torch')}"
        cd {q(str(unpacked))}
        $start bin/valley --version
        if $start bin/valley --help | grep -q '^  doctor'; then $start bin/valley doctor >{q(str(tmp_path / 'doctor'))}; fi
        $start bin/valley shard build --source NotoColorEmoji.ttf --codepoints {FACES} --resolution 32 --jobs 1 \\
            --dest {q(str(tmp_path / 'faces'))}
        $start {ranks} {train} train.steps=5
        $start bin/valley sample {q(str(tmp_path / 'runs'))}/00000-tiny --seeds 0-3 -o {q(str(tmp_path / 'grid.png'))}
        cp -r . {q(str(moved))}
        cd {q(str(moved))}
        mount -t tmpfs none {q(str(unpacked))}
        $start RANKS=2 share/valley/launch/local.sh {train.removeprefix('train ')} --resume none train.steps=2 \\
            data.path=data/faces-32
        $start bin/test_kernels --gtest_brief=1
        $start bin/mpirun --oversubscribe --bind-to none -n 2 bin/test_comm_contract --gtest_filter='*AllReduce*' --gtest_brief=1
        """)
    assert done.stdout.startswith("valley ")
    for run_name, steps in (("00000-tiny", 5), ("00001-tiny", 2)):
        lines = (tmp_path / "runs" / run_name / "stats.jsonl").read_text().splitlines()
        assert f'"step":{steps}' in lines[-1].replace(" ", ""), run_name
        assert '"ranks": 2' in (tmp_path / "runs" / run_name / "run.json").read_text()
    assert (tmp_path / "grid.png").read_bytes()[:4] == b"\x89PNG"


def test_gpu_validation_runs_from_the_bundle(unpacked, tmp_path):
    """On a fake device, which lies in the build folder."""
    if not (BUILD / "tests" / "fake_cuda" / "libvalley_fake_cuda.so").exists():
        pytest.skip("a build without CUDA has no fake CUDA device")
    launch = shlex.join(["env", f"VALLEY_BUILD={BUILD}", str(REPOSITORY / "tests" / "fake_cuda" / "run"), "2"])
    command = [*clean(tmp_path, VALLEY_TORCH=TORCH, VALLEY_GPU_LAUNCH=launch, VALLEY_FAKE_SEED=0, **AS_ROOT),
               unpacked / "share" / "valley" / "tests" / "gpu.sh", "--quick", "--only", "kernels,contract-2-ranks,inference-energy-dbn",
               "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("4 passed; ")
    for name in ("peer_ddp.py", "peer_base.py", "began_peer.py", "hinge_peer.py", "ranks.py"):
        assert (unpacked / "share" / "valley" / "bench" / name).is_file()
    assert (unpacked / "share" / "valley" / "tests" / "gpu" / "began_cpu.json").is_file()


def version_of(unpacked, tmp_path, **variables):
    return subprocess.run([*clean(tmp_path, **variables), unpacked / "bin" / "valley", "--version"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60, check=False)


def test_missing_libtorch_error_names_the_variable_to_set(unpacked, tmp_path):
    result = version_of(unpacked, tmp_path)
    if result.returncode == 0:
        pytest.skip("this machine has a LibTorch in a place where bundles look")
    assert result.returncode == MISSING
    assert "set VALLEY_TORCH" in result.stderr and "LibTorch 2.11" in result.stderr


@pytest.mark.parametrize(("version", "cuda", "says"), [
    (None, None, "not a LibTorch folder: lib/libtorch_cpu.so is missing"),
    ("2.4.1+cu124", "libcudart.so.12", "it is LibTorch 2.4.1"),
    ("2.11.0+cu126", "libcudart.so.12", "it was built for CUDA 12"),
    ("2.11.0+cpu", None, "it was built for CUDA none"),
])
def test_incompatible_libtorch_is_rejected(unpacked, tmp_path, version, cuda, says):
    if "CUDA" in says and "built_cuda=\n" in (unpacked / "libexec" / "environment.sh").read_text():
        pytest.skip("a bundle for the CPU runs with any CUDA")
    folder = tmp_path / "torch"
    (folder / "lib").mkdir(parents=True)
    if version:
        (folder / "version.py").write_text(f"__version__ = '{version}'\n")
        (folder / "lib" / "libtorch_cpu.so").touch()
    if cuda:
        (folder / "lib" / "libc10_cuda.so").write_text(f"\0{cuda}\0")
    result = version_of(unpacked, tmp_path, VALLEY_TORCH=folder)
    assert result.returncode == MISSING
    assert f"VALLEY_TORCH names\n  {folder}: {says}" in result.stderr


def test_program_behind_symbolic_link_uses_torch_of_python3(unpacked, tmp_path):
    """As with ~/bin and an active environment."""
    (tmp_path / "v").symlink_to(unpacked / "bin" / "valley")
    python = TORCH.parents[3] / "bin"
    if not (python / "python3").exists():
        pytest.skip(f"the LibTorch of this build is of no Python environment: {TORCH}")
    result = subprocess.run([tmp_path / "v", "--version"], env={"PATH": f"{python}:/usr/bin:/bin"}, cwd=tmp_path,
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_invalid_arguments_create_nothing(tmp_path):
    (tmp_path / "there").touch()
    assert bundle("-o", tmp_path / "there").returncode == 73
    assert bundle("--nonsense").returncode == USAGE
    assert bundle("-o").returncode == USAGE
    result = bundle("-o", tmp_path / "new", "--data", tmp_path)
    assert result.returncode == MISSING and "is not a folder of shards" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
