"""Fixtures of the whole-program tests: shards of emoji, and a config that trains in a second.

The program is that of the build folder in the environment's VALLEY_BUILD (default: build/).
"""

import os
import pathlib
import subprocess

import pytest
from fake_gpus import FakeGpus
from program import FACES, VALLEY, WAITING, Program
from simulated_hosts import Hosts

# Every step is reported so that tests can wait for it; a small grid and one thread save time.
CONFIG = """\
[data]
path = "{data}"

[model]
name = "began"
resolution = 32
width = 4
latent = 8
hidden = 8

[train]
steps = 10
global_batch = 16
microbatch = 4
report_every = 1
threads = 1
device = "cpu"

[checkpoint]
every = 1000

[samples]
every = 1000
grid = "2x2"
"""


def build_faces(folder, resolution):
    data = folder / f"faces-{resolution}"
    subprocess.run([VALLEY, "shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", FACES, "--resolution", str(resolution),
                    "--dest", data, "--jobs", "1"], check=True, timeout=300, capture_output=True)
    return data


def build_failing_calls(folder):
    """A library for LD_PRELOAD: failing_calls.c."""
    library = folder / "failing_calls.so"
    source = pathlib.Path(__file__).with_name("failing_calls.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True, timeout=60)
    return library


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    """A data set of 105 color images of 32x32 in one shard."""
    return build_faces(tmp_path_factory.mktemp("data"), 32)


@pytest.fixture(scope="session")
def faces_16(tmp_path_factory):
    return build_faces(tmp_path_factory.mktemp("data"), 16)


@pytest.fixture(scope="session")
def config(faces, tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "tiny.toml"
    file.write_text(CONFIG.format(data=faces))
    return file


@pytest.fixture(scope="session")
def config_16(faces_16, tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "tiny.toml"
    file.write_text(CONFIG.format(data=faces_16).replace("resolution = 32", "resolution = 16"))
    return file


@pytest.fixture
def program(tmp_path, config):
    """The program with an empty folder of runs."""
    return Program(tmp_path, config)


@pytest.fixture(scope="module")
def shared_program(tmp_path_factory, config):
    """The same for a module, for runs that several tests read and none changes."""
    return Program(tmp_path_factory.mktemp("shared"), config)


@pytest.fixture
def gpus(tmp_path, config, config_16):
    return FakeGpus(tmp_path, config, config_16)


@pytest.fixture(scope="module")
def shared_gpus(tmp_path_factory, config, config_16):
    return FakeGpus(tmp_path_factory.mktemp("gpus"), config, config_16)


@pytest.fixture(scope="session")
def failing_calls(tmp_path_factory):
    return build_failing_calls(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def faulty_valley(failing_calls):
    """Runs the program with failing system calls, given by `fail` (failing_calls.c)."""
    def run(*arguments, fail="", **variables):
        environment = os.environ | WAITING | variables | ({"LD_PRELOAD": str(failing_calls), "FAIL_CALLS": fail} if fail else {})
        return subprocess.run([VALLEY, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False,
                              env=environment)
    return run


@pytest.fixture
def two_hosts(tmp_path):
    with Hosts(tmp_path, 2) as hosts:
        yield hosts
