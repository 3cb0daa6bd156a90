"""Audits of a training whose memory is changed from outside: a bit of the weights of one rank flips."""

import json
import os
import re
import time

import pytest
from launch_scripts import LAUNCH, ended, environment, ranks_of
from program import Call, bits, checkpoint, checkpoints, step_of, steps_reported
from safetensors.numpy import load_file
from simulated_hosts import Hosts
from test_restarts import SAME_BITS, has_saved, launches, says, start

CORRUPTED = 72
# Weights that do not change can be found in the memory of the process.
FROZEN = "generator.linear.weight"
AUDITED = (*SAME_BITS, f"train.freeze={FROZEN}", "train.audit_every=4")


def flip_bit(pid, value):
    """Flips a bit of each copy of `value` in the memory of a process."""
    copies = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for line in maps:
            place, mode, _, _, inode = line.split()[:5]
            if not mode.startswith("rw") or inode != "0":
                continue
            begin, end = (int(word, 16) for word in place.split("-"))
            try:
                data = os.pread(memory.fileno(), end - begin, begin)
            except OSError:  # a mapping without memory
                continue
            at = data.find(value)
            while at >= 0:
                os.pwrite(memory.fileno(), bytes([value[5] ^ 1]), begin + at + 5)
                copies += 1
                at = data.find(value, at + 1)
    assert copies > 0


def frozen_bytes(run):
    """The first weights of the frozen tensor."""
    return load_file(checkpoints(run)[0] / "model.safetensors")[FROZEN].tobytes()[:256]


def break_rank(call, program, rank, step):
    call.until(has_saved(program, step))
    flip_bit(ranks_of(call)[rank][0], frozen_bytes(program.newest()))


@pytest.mark.cores(2)
def test_flipped_weight_ends_the_job_and_names_both_of_two_ranks(program):
    with start(program, *AUDITED, "train.steps=100000") as call:
        break_rank(call, program, 1, 6)
        result = ended(call, CORRUPTED)
    run = program.newest()
    end = json.loads((run / "exit.json").read_text())
    assert end["exit_code"] == CORRUPTED and "suspect_host" not in end
    assert f"{FROZEN}" in end["why"] and "between ranks 0 and 1" in end["why"] and "no majority" in end["why"]
    assert end["why"] in result.error and f"--resume {run}" in result.error
    # Nothing was removed: checkpoints after the last audit have another name.
    confirmed = int(re.search(r"without a difference, at step (\d+)", result.error)[1])
    suspect = [int(path.name.removeprefix("suspect-step-")) for path in (run / "checkpoints").glob("suspect-step-*")]
    assert all(step > confirmed for step in suspect)
    assert all(step_of(path) <= confirmed for path in checkpoints(run))


@pytest.mark.cores(2)
def test_restart_after_a_flipped_weight_has_the_bits_of_an_undisturbed_run(program):
    with start(program, *AUDITED, "train.steps=40", "--restarts", "3", ranks=4) as call:
        break_rank(call, program, 2, 9)
        call.until(says(call, "restart 1 of 3"))
        ended(call, 0)
    run = program.newest()
    records = launches(run)
    assert len(records) == 2 and records[0]["exit_code"] == CORRUPTED
    assert f"{FROZEN}" in records[1]["restarted_after"] and "of rank 2 differs" in records[1]["restarted_after"]
    assert steps_reported(run)[-1] == 40
    assert bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(40, *AUDITED)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
@pytest.mark.cores(2)
def test_job_goes_on_without_the_host_that_is_wrong(program):
    with Hosts(program.folder, 2) as hosts:
        settings = environment(MPIRUN_FLAGS=f"'{hosts.mpirun_flags()}'", RANKS_PER_HOST=2, VALLEY_HOST_CHECK_S=1, VALLEY_HOST_PATIENCE_S=20)
        words = hosts.on(0, "env", *settings, LAUNCH / "mpirun.sh", hosts.hostfile(), program.config, *AUDITED, "train.steps=40", "--restarts", "3",
                         "--out", program.out)
        with Call(words, program.folder) as call:
            break_rank(call, program, 3, 9)
            call.until(says(call, "continuing with 1 of 2 hosts"))
            time.sleep(3)  # the host that is wrong answers, but stays left out
            ended(call, 0)
    run = program.newest()
    records = launches(run)
    assert [record["ranks"] for record in records] == [4, 2]
    assert records[0]["suspect_host"] == hosts.names[1]
    assert bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(40, *AUDITED)
