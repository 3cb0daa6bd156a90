"""The scripts of launch/, in a copy of the folders that they need."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from program import BUILD, PATIENCE, REPOSITORY

NOBODY = 65534


@pytest.fixture
def tree():
    """launch/ and configs/ only, readable by other users."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("launch", "configs"):
            shutil.copytree(REPOSITORY / part, pathlib.Path(folder) / part)
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def run(script, *arguments, environment=None, **options):
    return subprocess.run([script, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          stdin=subprocess.DEVNULL, env=os.environ | (environment or {}), **options)


def test_second_setup_does_nothing():
    result = run(REPOSITORY / "launch" / "setup.sh", "--tests", "--check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_build_has_cuda_if_nvcc_is_found(shared_program):
    if "VALLEY_CUDA:STRING=AUTO" not in (BUILD / "CMakeCache.txt").read_text():
        pytest.skip("the choice was made by hand")
    nvcc = shutil.which("nvcc", path=f"{os.environ['PATH']}:/usr/local/cuda/bin")
    assert ("CUDA and NCCL" in shared_program.call("--version").stdout) == (nvcc is not None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_setup_without_root_lists_required_packages(tree):
    (tree / "bin").mkdir()
    nothing = tree / "bin" / "dpkg-query"  # a machine with no packages
    nothing.write_text("#!/bin/sh\nexit 1\n")
    nothing.chmod(0o755)
    result = run(tree / "launch" / "setup.sh", user=NOBODY, group=NOBODY, extra_groups=[],
                 environment={"PATH": f"{tree / 'bin'}:/usr/bin:/bin"})
    assert result.returncode == 1
    [line] = [line for line in result.stderr.splitlines() if "apt-get" in line]
    assert line.startswith("  sudo apt-get install ")
    assert "libopenmpi-dev" in line and "libhdf5-dev" in line
    assert not (tree / ".venv").exists()


def test_quickstart_trains_and_prints_output_paths(tree):
    environment = {"VALLEY_BUILD": str(BUILD), "VALLEY_VENV": os.environ.get("VALLEY_VENV", str(REPOSITORY / ".venv"))}
    made = set()
    for number in range(2):
        result = run(tree / "launch" / "quickstart.sh", "train.steps=2", "train.device=cpu", environment=environment)
        assert result.returncode == 0, result.stderr
        lines = dict(re.findall(r"^(samples|reals|log|metrics) +(\S+)$", result.stdout, re.MULTILINE))
        assert lines["samples"] == f"runs/{number:05}-quickstart/fakes-00000002.png"
        assert len(lines) == 4 and all((tree / file).stat().st_size > 0 for file in lines.values())
        assert "preparing" not in result.stderr  # the Python environment is there
        parts = re.findall(r"^(\S+) +\d+ min \d\d s$", result.stdout, re.MULTILINE)
        assert parts == ["set-up", "compile", *(["shards"] if number == 0 else []), "training"]
        made.add((tree / "data" / "faces-32" / "manifest.json").stat().st_mtime_ns)
    assert len(made) == 1  # the shards were made once
