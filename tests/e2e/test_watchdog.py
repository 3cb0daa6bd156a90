"""Jobs that hang: the rank, step and collective are named, all processes end, and the run can be resumed."""

import json
import os
import random
import re
import signal
import time

import pytest
from hang_trials import LOST, Trial, end_of, record_of
from program import DATA, MISSING, VALLEY, WAITING, Call, bits, checkpoint, launcher, stats

LIMIT, GRACE = 4, 30
ENDLESS = ("train.steps=100000", "checkpoint.every=1000000", "samples.every=1000000", f"train.hang_timeout={LIMIT}", "train.report_every=1")


def start_stuck(program, library, ranks, variables):
    """A training whose reads of images stop after some time."""
    return Call([*launcher(ranks), VALLEY, "train", program.config, *ENDLESS, "--out", program.out], program.folder,
                WAITING | {"LD_PRELOAD": str(library), "FAIL_CALLS": "pread:shard-00000.h5:1000:300"} | variables)


def has_stepped(program):
    return program.runs() and any(line.get("step", 0) > 3 for line in stats(program.newest()))


@pytest.mark.cores(2)
@pytest.mark.parametrize("victim", [0, 1])
def test_stopped_rank_is_named_and_the_job_ends(program, victim):
    with program.start_training(2, *ENDLESS) as call:
        call.until(lambda: has_stepped(program))
        pid = call.rank(victim)
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        result = call.wait()
        # Reports are up to a second old, and records of stopped ranks are waited for.
        assert time.monotonic() - stopped < LIMIT + GRACE + 3
        assert not call.processes()
    assert result.code == LOST
    run = program.newest()
    found = end_of(run)
    assert found["exit_code"] == LOST and found["failed"].startswith(f"rank {1 - victim} ")
    assert f"rank {victim} (host " in found["why"] and f"process {pid}) is stopped" in found["why"]
    assert f"rank {1 - victim} (host " in found["why"] and "waits in all-reduce" in found["why"] and "in phase" in found["why"]
    verdict = record_of(run, 1 - victim)["verdict"]
    assert verdict["kind"] == "stopped" and verdict["ranks"] == [victim] and verdict["step"] > 3
    last = record_of(run, 1 - victim)["collectives"][-1]
    assert last["left_s_ago"] is None and last["step"] == verdict["step"]
    frames = [frame for thread in record_of(run, 1 - victim)["threads"] for frame in thread["frames"]]
    assert any("Allreduce" in frame or "allreduce" in frame for frame in frames)
    assert any("valley::" in frame for frame in frames)


@pytest.mark.cores(2)
def test_rank_that_is_stuck_in_the_loader_is_named(program, failing_calls):
    with start_stuck(program, failing_calls, 2, {"FAIL_RANK": "1"}) as call:
        result = call.wait()
    assert result.code == LOST, result.stderr
    found = end_of(program.newest())["why"]
    assert "rank 1 (host " in found and "has been waiting for images" in found
    verdict = record_of(program.newest(), 0)["verdict"]
    assert verdict["kind"] == "loader" and verdict["ranks"] == [1]
    frames = [frame for thread in record_of(program.newest(), 1)["threads"] for frame in thread["frames"]]
    assert any("pread" in frame or "pause" in frame for frame in frames)


@pytest.mark.cores(2)
@pytest.mark.parametrize("fault", ["dead", "mismatch", "partition"])
def test_broken_rank_is_named(program, failing_calls, fault):
    """One trial of tests/chaos/hangs.py, which has many."""
    if fault == "partition" and os.geteuid() != 0:
        pytest.skip("only root can lay out networks")
    result = Trial(program.folder, {"config": program.config, "shim": failing_calls}, 8, random.Random(fault)).run(fault)
    assert not result["wrong"], result


def test_slow_work_is_not_a_hang(program, failing_calls):
    """Each image takes 0.2 s to read into the cache, all of them five times the limit."""
    with Call([*launcher(2), VALLEY, "train", program.config, "train.steps=2", "data.cache=host", f"train.hang_timeout={LIMIT}", "--out",
               program.out], program.folder,
              WAITING | {"LD_PRELOAD": str(failing_calls), "FAIL_CALLS": "pread:shard-00000.h5:1200", "FAIL_RANK": "1"}) as call:
        started = time.monotonic()
        result = call.wait()
    assert result.code == 0, result.stderr
    assert time.monotonic() - started > 2 * LIMIT


def test_doctor_explains_the_record(program, failing_calls):
    with start_stuck(program, failing_calls, 2, {"FAIL_RANK": "1"}) as call:
        call.wait()
    run = program.newest()
    text = program.call("doctor", "--flight", run).stdout
    assert text.splitlines()[0].startswith(f"{run}: hung in step ")
    assert "rank 1 (host " in text and "has been waiting for images" in text
    assert "What to do: check the disk or the file server of data.path" in text
    assert re.search(r"^  rank 0: step \d+, phase \w+: in all-reduce \d+ for \d+ s$", text, re.MULTILINE)
    assert re.search(r"^  rank 1: step \d+.*: waiting for images, after all-\w+ \d+ for \d+ s$", text, re.MULTILINE)
    assert text.index("Main thread of rank 1") < text.index("Main thread of rank 0") and "Allreduce" in text
    found = json.loads(program.call("doctor", "--flight", run / "flight", "--json").stdout)
    assert (found["kind"], found["ranks"], found["verdict"]) == ("loader", [1], end_of(run)["why"])
    assert [rank["inside_s"] is None for rank in found["records"]] == [False, True]
    (run / "flight" / "rank-1.json").write_text('{"rank": 1}')
    assert f"{run}/flight/rank-1.json is not a flight record" in program.call("doctor", "--flight", run, expect=DATA).error
    assert "no flight record in" in program.call("doctor", "--flight", program.folder, expect=MISSING).error


def test_one_rank_alone_that_hangs_ends_too(program, failing_calls):
    with start_stuck(program, failing_calls, None, {}) as call:
        result = call.wait()
    assert result.code == LOST, result.stderr
    assert "has been waiting for images" in end_of(program.newest())["why"]


def test_watched_run_that_does_not_hang_has_the_same_bits(program):
    watched = program.trained(2, "train.steps=6", "train.reproducible=true", f"train.hang_timeout={LIMIT}")
    plain = program.trained(2, "train.steps=6", "train.reproducible=true", "train.hang_timeout=0")
    assert bits(checkpoint(watched))["model.safetensors"] == bits(checkpoint(plain))["model.safetensors"]
    assert not (watched / "flight").exists()
