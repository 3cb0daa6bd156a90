"""Traces of steps (train.trace): well-formed for Perfetto, with all ranks on one time line, and without effect on the training."""

import json
import os
import signal
import subprocess
import sys

import pytest
from program import CONFIG as CONFIG_ERROR
from program import STOPPED, VALLEY, WAITING, Call, bits, checkpoint, has_reached

ROWS = {"steps": 1, "collectives": 2, "loader": 3, "optimizer": 4, "evaluation and checkpoints": 5}
METADATA = {"process_name": "name", "process_sort_index": "sort_index", "thread_name": "name", "thread_sort_index": "sort_index"}


def load(run, first, last):
    return json.loads((run / f"trace-{first}-{last}.json").read_text())


def nanoseconds(event):
    """Begin and end of an event, as whole numbers: times have three decimals of a microsecond."""
    begin = round(event["ts"] * 1000)
    return begin, begin + round(event["dur"] * 1000)


def contains(outer, inner):
    (a, b), (c, d) = nanoseconds(outer), nanoseconds(inner)
    return outer["pid"] == inner["pid"] and a <= c and d <= b


def check_format(trace, ranks):
    """The rules of the Trace Event Format for complete events and metadata; events of a thread are nested."""
    assert set(trace) == {"displayTimeUnit", "otherData", "traceEvents"} and trace["displayTimeUnit"] == "ms"
    rows = {}
    for event in trace["traceEvents"]:
        assert event["ph"] in ("X", "M") and type(event["pid"]) is int and type(event["tid"]) is int
        if event["ph"] == "M":
            assert set(event) == {"name", "ph", "pid", "tid", "args"} and list(event["args"]) == [METADATA[event["name"]]]
        else:
            assert set(event) == {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"}
            assert event["name"] and event["ts"] >= 0 and event["dur"] >= 0
            rows.setdefault((event["pid"], event["tid"]), []).append(event)
    names = {e["pid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert sorted(names) == list(range(ranks))
    assert all(name.startswith(f"rank {rank} (host ") for rank, name in names.items())
    threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert set(threads) == set(rows)
    for (rank, thread), events in rows.items():
        name = threads[rank, thread]
        assert ROWS.get(name) == thread or (name.startswith("reader ") and thread > max(ROWS.values()))
        assert {e["cat"] for e in events} == {name}
        check_nesting(events)
    return rows


def check_nesting(events):
    open_until = []
    for begin, end in sorted((nanoseconds(e) for e in events), key=lambda span: (span[0], -span[1])):
        while open_until and open_until[-1] <= begin:
            open_until.pop()
        assert not open_until or end <= open_until[-1], "events of one row overlap without being nested"
        open_until.append(end)


def check_contents(trace, ranks, steps, phases=("D", "G")):
    rows = check_format(trace, ranks)
    for rank in range(ranks):
        of_row = {name: rows.get((rank, thread), []) for name, thread in ROWS.items()}
        found = [e for e in of_row["steps"] if e["name"] == "step"]
        assert sorted(e["args"]["step"] for e in found) == list(steps)
        for step in found:
            within = [e for e in of_row["steps"] if e is not step and contains(step, e)]
            assert [e["name"] for e in sorted(within, key=lambda e: e["ts"]) if e["name"] in phases] == list(phases)
            for phase in (e for e in within if e["name"] in phases):
                assert any(e["name"] == "micro-batch" and contains(phase, e) for e in within)
                reductions = [e for e in of_row["collectives"] if e["name"] in ("all-reduce", "tree reduction")
                              and e["args"].get("phase") == phase["name"] and e["args"]["step"] == step["args"]["step"]
                              and e["args"]["bytes"] > 1000]
                assert reductions and all(contains(phase, e) for e in reductions)
                assert any(contains(phase, e) for e in of_row["optimizer"])
        assert sorted(e["args"]["step"] for e in of_row["loader"]) == list(steps)
        assert any(thread > max(ROWS.values()) for pid, thread in rows if pid == rank)
    return rows


def check_time_line(trace, rows, ranks):
    """No rank leaves an all-reduce before every rank has entered it, within the stated error of the clocks."""
    error = 1000 * max(trace["otherData"]["clock_error_us"]) + 1
    calls = [sorted(nanoseconds(e) for e in rows[rank, ROWS["collectives"]] if e["name"] == "all-reduce") for rank in range(ranks)]
    assert len({len(of_rank) for of_rank in calls}) == 1 and len(calls[0]) > 2
    for same in zip(*calls, strict=True):
        assert max(begin for begin, _ in same) <= min(end for _, end in same) + 2 * error


@pytest.mark.cores(2)
@pytest.mark.parametrize(("ranks", "more"), [(None, ()), (2, ("performance.overlap=off",)), (2, ("performance.overlap=on",)), (4, ())])
def test_trace_has_all_ranks_on_one_time_line(program, ranks, more):
    run = program.trained(ranks, "train.steps=6", "train.trace=3-5", "performance.overlap=off", *more)
    trace = load(run, 3, 5)
    rows = check_contents(trace, ranks or 1, range(3, 6))
    assert trace["otherData"]["clock_error_us"] == [0] * (ranks or 1)
    assert trace["otherData"]["dropped_events"] == [0] * (ranks or 1)
    if ranks:
        check_time_line(trace, rows, ranks)


@pytest.mark.cores(2)
def test_reproducible_training_and_pauses_are_in_the_trace(program):
    run = program.trained(2, "train.steps=8", "train.trace=3-6", "train.reproducible=true", "checkpoint.every=4", "evaluate.every=5",
                          "evaluate.samples=10")
    rows = check_contents(load(run, 3, 6), 2, range(3, 7))
    for rank in range(2):
        pauses = [(e["name"], e["args"]["step"]) for e in rows[rank, ROWS["evaluation and checkpoints"]]]
        assert pauses == [("saving a checkpoint", 4), ("evaluating", 5)]


@pytest.mark.cores(2)
def test_clocks_that_differ_are_aligned(program):
    """The clock of rank 1 is an hour ahead, as in a time namespace of its own."""
    probe = subprocess.run(["unshare", "--time", "-f", "--monotonic", "3600", "true"], check=False, capture_output=True, timeout=60)
    if probe.returncode != 0:
        pytest.skip("the system has no time namespaces, or not for this user")
    words = f'"{VALLEY}" train "{program.config}" train.steps=6 train.trace=3-5 performance.overlap=off --out "{program.out}"'
    script = f'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then exec unshare --time -f --monotonic 3600 {words}; else exec {words}; fi'
    command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", "sh", "-c", script]
    with Call(command, program.folder, WAITING) as call:
        result = call.wait()
    assert result.code == 0, result.stderr
    trace = load(program.newest(), 3, 5)
    offset, error = (trace["otherData"][key] for key in ("clock_offset_us", "clock_error_us"))
    assert offset[0] == error[0] == 0 and abs(offset[1] - 3600e6) < 1e5 and 0 < error[1] < 1e5
    check_time_line(trace, check_contents(trace, 2, range(3, 6)), 2)


@pytest.mark.cores(2)
def test_trace_of_a_run_that_ends_early_has_the_steps_so_far(program):
    run = program.trained(2, "train.steps=5", "train.trace=4-1000")
    check_contents(load(run, 4, 5), 2, [4, 5])


@pytest.mark.cores(2)
def test_stop_and_resume_within_the_range_give_two_traces(program):
    arguments = ("train.steps=100000", "train.trace=3-100000")
    with program.start_training(2, *arguments) as call:
        call.until(has_reached(program, 6))
        os.kill(call.rank(1), signal.SIGTERM)
        assert call.wait().code == STOPPED
    run = program.newest()
    [first] = run.glob("trace-3-*.json")
    last = int(first.stem.split("-")[2])
    check_contents(load(run, 3, last), 2, range(3, last + 1))
    program.train(2, f"train.steps={last + 4}", f"train.trace=3-{last + 2}", "--resume", run)
    check_contents(load(run, last + 1, last + 2), 2, [last + 1, last + 2])
    assert len(list(run.glob("trace-*.json"))) == 2


def test_trace_does_not_change_the_training(program):
    plain = program.trained(None, "train.steps=4")
    traced = program.trained(None, "train.steps=4", "train.trace=1-4")
    assert bits(checkpoint(plain))["model.safetensors"] == bits(checkpoint(traced))["model.safetensors"]
    assert not list(plain.glob("trace*"))


@pytest.mark.parametrize("text", ["100", "5-4", "0-3", "a-b"])
def test_range_that_names_no_steps_is_rejected(program, text):
    error = program.train(None, f"train.trace={text}", expect=CONFIG_ERROR).error
    assert "train.trace" in error and f'"{text}" does not name steps' in error and '"100-110"' in error
    assert not program.runs()


def test_range_after_the_training_is_a_warning(program):
    result = program.train(None, "train.steps=2", "train.trace=10-20")
    assert 'train.trace = "10-20" is not written: the training has 2 steps' in result.stderr


@pytest.mark.cores(2)
def test_trace_that_cannot_be_written_does_not_end_the_training(program):
    run = program.trained(2, "train.steps=2")
    (run / "trace-3-4.json").mkdir()
    result = program.train(2, "train.steps=6", "train.trace=3-4", "--resume", run)
    assert "the trace was not written" in result.stderr and checkpoint(run).name == "step-00000006"


if __name__ == "__main__":  # checks a trace of real training by hand: test_trace.py FILE RANKS
    with open(sys.argv[1]) as file:
        check_format(json.load(file), int(sys.argv[2]))
