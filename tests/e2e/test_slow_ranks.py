"""Ranks that are slow for real are named; model FLOP/s utilization is consistent with the plan and the peak."""

import contextlib
import json
import os
import re
import signal
import threading
import time

import pytest
from program import VALLEY, WAITING, Call, launcher, reports, stats

ENDLESS = ("train.steps=1000000", "checkpoint.every=1000000", "samples.every=1000000", "train.report_every=5", "performance.overlap=off")
RANK_FIELDS = {"rank/slowest", "rank/spread", "rank/compute_ms", "rank/compute_max_ms", "rank/data_ms", "rank/data_max_ms",
               "rank/wait_ms", "rank/wait_max_ms"}


def events(program, kind):
    return [line for line in stats(program.newest()) if line.get("event") == "warning" and line["kind"] == kind] if program.runs() else []


def of_rank(program, kind, rank):
    return [line for line in events(program, kind) if line["text"].startswith(f"rank {rank} (host ")]


@contextlib.contextmanager
def slowed(pid, running=0.01, stopped=0.03):
    """Gives a process a quarter of the time, as an overloaded or throttled core would."""
    end = threading.Event()

    def alternate():
        while not end.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(stopped)
            os.kill(pid, signal.SIGCONT)
            time.sleep(running)

    thread = threading.Thread(target=alternate)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.cores("all")
@pytest.mark.parametrize(("ranks", "victim"), [(2, 0), (4, 2)])
def test_rank_that_computes_slowly_is_named_until_it_recovers(program, ranks, victim):
    with program.start_training(ranks, *ENDLESS) as call:
        call.until(lambda: program.runs() and len(reports(program.newest())) > 2)
        with slowed(call.rank(victim)):
            call.until(lambda: of_rank(program, "slow-rank", victim))
            time.sleep(1)
        named = of_rank(program, "slow-rank", victim)
        assert len(named) == 1, events(program, "slow-rank")
        match = re.search(r"since step (\d+): it computes for ([\d.]+) ms per step, the median of the others ([\d.]+) ms. "
                          r"Its steps take (\d+) % longer", named[0]["text"])
        assert match and float(match[2]) > 1.15 * float(match[3]) and int(match[4]) >= 15
        slow = [line for line in reports(program.newest()) if int(match[1]) < line["step"] <= named[0]["step"]]
        share = sum(line["rank/slowest"] == victim for line in slow) / len(slow)
        assert share > 0.5, f"rank/slowest names rank {victim} in {share:.0%} of the reports"
        call.until(lambda: of_rank(program, "recovery", victim))
    log = (program.newest() / "log.txt").read_text()
    assert f"warning: step {named[0]['step']}: rank {victim} (host " in log
    assert f"rank {victim} (host " in log and "is no longer slower than the others" in log


@pytest.mark.cores("all")
def test_rank_that_waits_for_images_is_named(program, failing_calls):
    """Each read of rank 1 takes 0.2 s."""
    command = [*launcher(2), VALLEY, "train", program.config, *ENDLESS, "--out", program.out]
    variables = {"LD_PRELOAD": str(failing_calls), "FAIL_CALLS": "pread:shard-00000.h5:1200", "FAIL_RANK": "1"}
    with Call(command, program.folder, WAITING | variables) as call:
        call.until(lambda: of_rank(program, "slow-rank", 1))
    [found] = of_rank(program, "slow-rank", 1)
    assert "waits for images for" in found["text"] and "data.path" in found["text"]
    last = reports(program.newest())[-1]
    assert last["rank/slowest"] == 1 and last["rank/data_max_ms"] > 100


@pytest.mark.cores("all")
def test_even_ranks_are_not_warned_about(program):
    with program.start_training(2, *ENDLESS) as call:
        started = time.monotonic()
        call.until(lambda: time.monotonic() - started > 25)
    lines = reports(program.newest())
    spreads = sorted(line["rank/spread"] for line in lines)
    uneven = sum(spread > 0.15 for spread in spreads) / len(spreads)
    assert not events(program, "slow-rank") or uneven > 0.5, f"{uneven:.0%} of the reports have a spread above 15 %"


@pytest.mark.cores(2)
def test_reports_of_several_ranks_have_their_times(program):
    run = program.trained(2, "train.steps=6", "train.report_every=3")
    lines = reports(run)
    assert [line["step"] for line in lines] == [1, 3, 6]
    for line in lines:
        assert RANK_FIELDS <= set(line) and line["rank/slowest"] in (0, 1) and line["rank/spread"] >= 0
        for name in ("compute", "wait", "data"):
            assert 0 <= line[f"rank/{name}_ms"] <= line[f"rank/{name}_max_ms"]
    alone = reports(program.trained(None, "train.steps=2"))
    assert not RANK_FIELDS & set(alone[-1])


@pytest.mark.cores(2)
@pytest.mark.parametrize("ranks", [None, 2])
def test_utilization_follows_from_the_plan_the_speed_and_the_peak(program, ranks):
    with program.start_training(ranks, *ENDLESS) as call:
        call.until(lambda: program.runs() and sum("mfu" in line for line in reports(program.newest())) > 3)
    run = program.newest()
    [peak] = [line for line in stats(run) if line.get("event") == "peak"]
    assert peak["source"] == "measured" and peak["flops_per_s"] > 1e9
    plan = json.loads(program.call("train", program.config, "--dry-run", "--json", "--out", program.folder / "none", ranks=ranks).stdout)
    [stage] = plan["cost"]["stages"]
    lines = [line for line in reports(run) if "mfu" in line]
    assert all(line["step"] >= peak["step"] for line in lines) and len(lines) == len(reports(run)[-len(lines):])
    for line in lines:
        expected = stage["flops"] / 16 * line["images_per_s"] / peak["flops_per_s"]
        assert 0 < line["mfu"] <= 1 and abs(line["mfu"] / expected - 1) < 1e-9
    assert re.search(r"peak of all ranks: [\d.]+ GFLOP/s \(matrix products of 0\.\d+ s\)", (run / "log.txt").read_text())


def test_training_of_one_step_measures_no_peak(program):
    run = program.trained(None, "train.steps=1")
    assert not [line for line in stats(run) if line.get("event") == "peak" or "mfu" in line]
