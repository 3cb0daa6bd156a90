"""--restarts of the launch scripts: jobs that lose ranks and hosts end with the bits of an undisturbed run."""

import json
import os
import signal
import time

import pytest
from launch_scripts import LAUNCH, ended, environment, ranks_of
from program import MISSING, STOPPED, Call, bits, checkpoint, checkpoints, has_reached, step_of, steps_reported
from simulated_hosts import Hosts

KILLED = 128 + signal.SIGKILL
SAME_BITS = ("train.reproducible=true", "checkpoint.every=4", "train.threads=1")


def start(program, *arguments, ranks=2):
    words = ["env", *environment(RANKS=ranks), LAUNCH / "local.sh", program.config, *SAME_BITS, *arguments, "--out", program.out]
    return Call([str(word) for word in words], program.folder)


def launches(run):
    return json.loads((run / "run.json").read_text())


def has_saved(program, step, least=1):
    """A condition: the newest run has at least `least` checkpoints, and has reported `step`."""
    reached = has_reached(program, step)
    return lambda: reached() and len(checkpoints(program.newest())) >= least


def kill_rank(call, rank):
    pid = ranks_of(call)[rank][0]
    os.kill(pid, signal.SIGKILL)
    return pid


def says(call, text):
    """A condition: the launch script has said this."""
    return lambda: any(text in line for line in call.files[1].read_text().splitlines() if line.startswith("launch: "))


def all_have_ended(call):
    """Also what the script started beside the job, such as `sleep`."""
    until = time.monotonic() + 20
    while call.processes() and time.monotonic() < until:
        time.sleep(0.1)
    return not call.processes()


@pytest.mark.cores(2)
def test_lost_ranks_do_not_change_the_bits(program):
    with start(program, "train.steps=40", "--restarts", "5") as call:
        killed = []
        for step, rank in ((9, 1), (20, 0)):
            call.until(has_saved(program, step))
            killed.append(kill_rank(call, rank))
            call.until(says(call, f"process {killed[-1]}) has ended"))
        result = ended(call, 0)
    run = program.newest()
    assert steps_reported(run)[-1] == 40
    assert bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(40, *SAME_BITS)
    records = launches(run)
    assert len(program.runs()) == 1 and len(records) == 3
    assert records[0]["restarted_after"] == ""
    for record, pid, rank in zip(records[1:], killed, (1, 0), strict=True):
        assert f"rank {rank} (host " in record["restarted_after"] and f"process {pid}) has ended" in record["restarted_after"]
    assert "restart 1 of 5 in 1 s" in result.stderr and "restart 2 of 5 in 1 s" in result.stderr
    assert not (run / "exit.json").exists() or json.loads((run / "exit.json").read_text())["exit_code"] == 0


def time_lines(run):
    """The launches in time.jsonl: a list of lines each."""
    launches_of_run = {}
    for line in (run / "time.jsonl").read_text().splitlines():
        launches_of_run.setdefault(json.loads(line)["began"], []).append(json.loads(line))
    return list(launches_of_run.values())


def has_work_to_lose(program, number):
    """A condition: launch `number` has recorded steps beyond the newest checkpoint."""
    def condition():
        runs = program.runs()
        if not runs or not (runs[-1] / "time.jsonl").exists() or not checkpoints(runs[-1]):
            return False
        lines = time_lines(runs[-1])
        return len(lines) == number and lines[-1][-1]["step"] > step_of(checkpoint(runs[-1])) + 5
    return condition


@pytest.mark.cores(2)
def test_times_of_a_run_add_up_to_its_wall_time(program):
    """Two kills, then a pause of the user: the parts of the goodput against clocks of this test."""
    settings = ("train.steps=100000", "checkpoint.every=1000000", "checkpoint.every_seconds=4", "evaluate.every=50", "evaluate.samples=16")
    began = time.time()
    with start(program, *settings, "--restarts", "5") as call:
        for number in (1, 2):
            call.until(has_work_to_lose(program, number))
            kill_rank(call, 1)
            call.until(says(call, f"restart {number} of 5"))
        call.until(has_work_to_lose(program, 3))
        call.process.send_signal(signal.SIGTERM)
        ended(call, STOPPED)
    stopped = time.time()
    time.sleep(4)
    resumed = time.time()
    program.train(2, *SAME_BITS, "--resume", "auto", "train.steps=" + str(steps_reported(program.newest())[-1] + 5))
    done = time.time()
    [run] = json.loads(program.call("runs", program.out, "--json").stdout)
    found = run["time"]
    assert (found["launches"], found["restarts"]) == (4, 2)
    parts = {name: value for name, value in found.items() if name.endswith("_s") and name not in ("wall_s", "paused_s")}
    assert len(parts) == 10 and sum(parts.values()) == pytest.approx(found["wall_s"])
    assert found["goodput"] == pytest.approx(found["useful_s"] / found["wall_s"])
    # The launcher starts before rank 0, and ends after it.
    wall = stopped - began + done - resumed
    assert wall - 6 < found["wall_s"] < wall
    assert resumed - stopped < found["paused_s"] < resumed - stopped + 6
    # The pause before a restart, and the time until the loss was noticed.
    assert 2 < found["down_s"] < 20
    assert all(found[f"{part}_s"] > 0 for part in ("useful", "data_wait", "checkpoints", "evaluation", "samples", "startup", "restart_startup"))
    first, second, third, fourth = time_lines(program.newest())
    expected = first[-1]["step"] - second[0]["step"] + second[-1]["step"] - third[0]["step"]
    assert found["lost_steps"] == expected >= 10 and found["lost_s"] > 0
    assert fourth[0]["step"] == third[-1]["step"] and third[-1]["event"] == fourth[-1]["event"] == "end"
    assert [lines[0]["restart"] for lines in (first, second, third, fourth)] == [False, True, True, False]
    program.call("report", program.newest())
    assert f"{expected} steps repeated" in (program.newest() / "report.html").read_text()


@pytest.mark.cores(2)
def test_starts_without_a_new_checkpoint_end(program):
    """A job that always loses a rank before it saves is not started for ever."""
    with start(program, "train.steps=100000", "checkpoint.every=100000", "--restarts", "50") as call:
        for number in (1, 2, 3):
            call.until(lambda number=number: len(program.runs()) == 1 and len(launches(program.newest())) == number and has_reached(program, 1)())
            kill_rank(call, 1)
            if number < 3:
                call.until(says(call, f"restart {number} of 50"))
        result = ended(call, KILLED)
    assert "3 starts in a row ended without a new checkpoint" in result.stderr
    assert "restart 2 of 50 in 2 s" in result.stderr


def test_errors_are_not_repeated(program):
    with start(program, "data.path=/none", "--restarts=3") as call:
        assert "restart" not in ended(call, MISSING).stderr
    for wrong in ("-1", "x", ""):
        with start(program, "--restarts", wrong) as call:
            assert f"--restarts {wrong} is not a number of restarts" in ended(call, 2).stderr


@pytest.mark.cores(2)
def test_signal_during_the_pause_ends_the_job(program):
    with start(program, "train.steps=100000", "checkpoint.every=100000", "--restarts", "9") as call:
        call.until(has_reached(program, 1))
        kill_rank(call, 1)
        call.until(says(call, "restart 1 of 9"))
        call.process.send_signal(signal.SIGTERM)
        ended(call, STOPPED)
        assert all_have_ended(call)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
@pytest.mark.cores(2)
def test_job_goes_on_without_a_lost_host_and_grows_back(program):
    with Hosts(program.folder, 2) as hosts:
        settings = environment(MPIRUN_FLAGS=f"'{hosts.mpirun_flags()}'", VALLEY_HOST_CHECK_S=3, VALLEY_HOST_PATIENCE_S=6)
        words = hosts.on(0, "env", *settings, LAUNCH / "mpirun.sh", hosts.hostfile(), program.config, *SAME_BITS, "train.hang_timeout=6",
                         "train.steps=100000", "--restarts", "5", "--out", program.out)
        with Call(words, program.folder) as call:
            call.until(has_saved(program, 6))
            hosts.set_network(cut="1")
            call.until(says(call, "continuing with 1 of 2 hosts"))
            lost_at = steps_reported(program.newest())[-1]
            call.until(has_reached(program, lost_at + 3))
            hosts.set_network(cut="")
            call.until(says(call, "continuing with more ranks"))
            grown_at = steps_reported(program.newest())[-1]
            call.until(has_reached(program, grown_at + 2))
            call.process.send_signal(signal.SIGTERM)
            ended(call, STOPPED)
            assert all_have_ended(call)
    run = program.newest()
    assert [record["ranks"] for record in launches(run)] == [2, 1, 2]
    reasons = [record["restarted_after"] for record in launches(run)]
    assert f"rank 1 (host {hosts.names[1]}" in reasons[1] and "is silent" in reasons[1] and reasons[2] == "a host that was left out is back"
    assert bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(steps_reported(run)[-1], *SAME_BITS)
