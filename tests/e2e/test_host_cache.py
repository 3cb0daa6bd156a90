"""data.cache = "host": one copy of the data set per host, which no kill leaves behind, and the same batches."""

import os
import pathlib
import re
import signal

import pytest
from program import CONFIG, VALLEY, WAITING, Call, bits, checkpoint, has_reached

STEPS = ("train.steps=4", "train.reproducible=true")
OUT_OF_MEMORY = 71
BYTES = 105 * 32 * 32 * 3  # of the pixels


def copies(pid):
    """(inode, KiB) of the shared copies that a process maps."""
    return re.findall(r" (\d+) +/memfd:valley-data.*\nSize: +(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps").read_text())


@pytest.mark.parametrize("ranks", [None, 2])
def test_batches_from_the_host_copy_are_bitwise_equal(program, ranks):
    plain = program.trained(ranks, *STEPS, "data.cache=none")
    result = program.train(ranks, *STEPS, "data.cache=host")
    assert result.stderr.count("once per host") == 1
    assert bits(checkpoint(program.newest()))["model.safetensors"] == bits(checkpoint(plain))["model.safetensors"]


@pytest.mark.cores(2)
def test_ranks_share_one_copy_and_a_kill_frees_it(program):
    before = set(os.listdir("/dev/shm"))
    with program.start_training(2, "train.steps=1000000", "data.cache=host") as call:
        call.until(has_reached(program, 2))
        first, second = copies(call.rank(0)), copies(call.rank(1))
        assert len(first) == 1 and first == second  # one inode: the same memory
        assert 0 <= int(first[0][1]) - BYTES / 1024 < 4
        os.kill(call.rank(1), signal.SIGKILL)
        call.wait()
        assert not call.processes()
    assert not [name for name in set(os.listdir("/dev/shm")) - before if "valley" in name]


def test_memory_that_runs_out_is_an_error_with_a_way_out(program):
    """The limit on file sizes holds for shared memory too."""
    limited = [VALLEY, "train", program.config, *STEPS, "data.cache=host", "--out", program.out]
    with Call(["prlimit", f"--fsize={BYTES - 1}", *map(str, limited)], program.folder, WAITING) as call:
        result = call.wait()
    assert result.code == OUT_OF_MEMORY
    assert "no shared memory of 315" in result.error and "data.cache" in result.error


def test_gpu_copy_on_cpus_is_rejected(program):
    error = program.train(None, *STEPS, "data.cache=gpu", expect=CONFIG).error
    assert "data.cache" in error and "CPU" in error
