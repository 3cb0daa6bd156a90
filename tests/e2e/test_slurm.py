"""launch/slurm.sbatch on a real Slurm cluster of two nodes: preempted jobs are requeued and end bitwise equal to an uninterrupted run."""

import json
import os
import pathlib
import re
import shutil
import signal
import time

import pytest
import slurm_cluster
from program import (CONFIG, DATA, REPOSITORY, STOPPED, VALLEY, bits, checkpoint, checkpoints, flip, step_of,
                     steps_reported)

SBATCH = REPOSITORY / "launch" / "slurm.sbatch"
GRID = REPOSITORY / "examples" / "grid.sbatch"
STEPS = 160
LOST = 76
RANK_ONE_ROW = 60  # an image that rank 1 of two has in the first step
SIZE = "--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0", "--cpus-per-task=1"

# Jobs mostly wait for Slurm, so they need no core.
pytestmark = [pytest.mark.skipif(slurm_cluster.missing() != "", reason=slurm_cluster.missing()), pytest.mark.cores(0)]


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.Cluster() as running:
        yield running


class Job:
    """A submitted slurm.sbatch, its folder of runs and its output."""

    def __init__(self, cluster, program, *arguments, options=(), environment=None, out=None):
        self.cluster = cluster
        self.program = program
        self.log = program.folder / "slurm.log"
        exported = {"VALLEY": str(VALLEY)} | (environment or {})
        self.id = cluster.submit(
            *SIZE, f"--output={self.log}", *options, f"--chdir={program.folder}",
            "--export=ALL," + ",".join(f"{k}={v}" for k, v in exported.items()), SBATCH, program.config,
            *arguments, "--out", out or program.out)

    def output(self):
        return self.log.read_text() if self.log.exists() else ""

    def until_step(self, step):
        self.cluster.wait(lambda: self.program.runs() and max([0, *steps_reported(self.program.newest())]) >= step,
                          f"step {step}", self.output)

    def until_start(self, number):
        self.cluster.wait(lambda: len(self.starts()) >= number, f"start {number}", self.output)

    def starts(self):
        file = self.program.newest() / "run.json" if self.program.runs() else None
        return json.loads(file.read_text()) if file and file.exists() else []

    def until_ended(self):
        return self.cluster.until_ended(self.id, self.output)


def program_of_rank(rank, job):
    """The pid of one rank of a job."""
    for entry in pathlib.Path("/proc").iterdir():
        try:
            variables = (entry / "environ").read_text().split("\0") if entry.name.isdigit() else []
            if {f"PMIX_RANK={rank}", f"SLURM_JOB_ID={job}"} <= set(variables):
                return int(entry.name)
        except OSError:
            continue  # it has ended
    raise AssertionError(f"no process of rank {rank} of job {job}")


def signal_job(cluster, job):
    cluster.run("scancel", "--signal=USR1", job.id)


def requeue_job(cluster, job):
    cluster.run("scontrol", "requeue", job.id)


def test_preempted_job_requeues_and_is_bitwise_equal(cluster, program, shared_program):
    options = f"train.steps={STEPS}", "train.reproducible=true"
    straight = shared_program.trained(2, *options)
    job = Job(cluster, program, *options)
    for start, preempt in enumerate((signal_job, requeue_job), 1):
        job.until_start(start)
        job.until_step(start * 40)
        began = time.monotonic()
        preempt(cluster, job)
        cluster.wait(lambda: len(checkpoints(program.newest())) >= start, "the checkpoint", job.output)
        print(f"{preempt.__name__}: a checkpoint after {time.monotonic() - began:.1f} s")
        job.until_start(start + 1)
        print(f"{preempt.__name__}: started again after {time.monotonic() - began:.1f} s")
    fields, code = job.until_ended()
    assert (fields["JobState"], code, fields["Restarts"]) == ("COMPLETED", 0, "2"), job.output()
    [run] = program.runs()
    assert bits(checkpoint(run)) == bits(checkpoint(straight))
    assert steps_reported(run) == list(range(1, STEPS + 1))
    assert [start["exit_code"] for start in job.starts()] == [STOPPED, STOPPED, 0]
    assert {start["job"] for start in job.starts()} == {str(job.id)}
    assert all(start["ranks"] == 2 for start in job.starts())
    assert not list(program.out.glob(".slurm-*"))


def test_config_error_is_not_requeued(cluster, program):
    job = Job(cluster, program, "train.microbatch=5", environment={"SLURM_GPUS_ON_NODE": "8"})
    fields, code = job.until_ended()
    assert "warning: each rank has 1 CPU(s); a rank on a GPU needs 4 or more (--cpus-per-task=4)" in job.output()
    assert (fields["JobState"], code, fields["Restarts"]) == ("FAILED", CONFIG, "0"), job.output()
    assert job.output().count("error: train.global_batch = 16 is not a multiple of train.microbatch = 5") == 1


def test_exit_code_of_failed_rank_is_returned(cluster, program, faces):
    data = shutil.copytree(faces, program.folder / "damaged")
    [shard] = json.loads((data / "manifest.json").read_text())["shards"]
    flip(data / shard["file"], shard["data_offset"] + RANK_ONE_ROW * 32 * 32 * 3)
    job = Job(cluster, program, f"data.path={data}")
    fields, code = job.until_ended()
    assert (fields["JobState"], code, fields["Restarts"]) == ("FAILED", DATA, "0"), job.output()
    assert json.loads((program.newest() / "exit.json").read_text())["failed"].startswith("rank 1 ")


def test_killed_rank_ends_the_job(cluster, program):
    job = Job(cluster, program, "train.steps=100000")
    job.until_step(3)
    os.kill(program_of_rank(1, job.id), signal.SIGKILL)
    fields, code = job.until_ended()
    # 76 if the watchdog ends the job before Slurm kills the other rank, after KillWait.
    assert (fields["JobState"], fields["Restarts"]) == ("FAILED", "0") and code in (LOST, 128 + signal.SIGKILL), job.output()
    assert "has ended; rank 0 (host " in json.loads((program.newest() / "exit.json").read_text())["why"]


SAME_BITS = "train.reproducible=true", "checkpoint.every=20"


def test_job_with_restarts_survives_a_killed_rank(cluster, program):
    job = Job(cluster, program, *SAME_BITS, "train.steps=120", "--restarts", "3")
    job.until_step(30)
    os.kill(program_of_rank(1, job.id), signal.SIGKILL)
    job.until_start(2)
    fields, code = job.until_ended()
    assert (fields["JobState"], code, fields["Restarts"]) == ("COMPLETED", 0, "0"), job.output()
    assert "restart 1 of 3 in 1 s" in job.output()
    assert [start["ranks"] for start in job.starts()] == [2, 2]
    assert bits(checkpoint(program.newest()))["model.safetensors"] == program.undisturbed_bits(120, *SAME_BITS)


def test_job_goes_on_without_a_lost_node(cluster, program):
    job = Job(cluster, program, *SAME_BITS, "train.steps=120", "--restarts", "3", options=["--no-kill"],
              environment={"VALLEY_HOST_PATIENCE_S": "10"})
    job.until_step(30)
    cluster.lose_node("n2")
    try:
        job.until_start(2)
        fields, code = job.until_ended()
    finally:
        cluster.bring_back("n2")
    assert (fields["JobState"], code, fields["Restarts"]) == ("COMPLETED", 0, "0"), job.output()
    assert "continuing with 1 of 2 nodes; ranks: 1" in job.output()
    assert [start["ranks"] for start in job.starts()] == [2, 1]
    assert bits(checkpoint(program.newest()))["model.safetensors"] == program.undisturbed_bits(120, *SAME_BITS)


def test_job_without_progress_is_not_requeued_forever(cluster, program):
    # A program that is stopped before its first step every time.
    stopped = program.folder / "stopped"
    stopped.write_text(f'#!/bin/sh\nkill -USR1 $$\nexec {VALLEY} "$@"\n')
    stopped.chmod(0o755)
    job = Job(cluster, program, environment={"VALLEY": stopped, "MAX_IDLE_STARTS": 1})
    fields, code = job.until_ended()
    assert (fields["JobState"], code, fields["Restarts"]) == ("FAILED", STOPPED, "1"), job.output()
    assert [step_of(path) for path in checkpoints(program.newest())] == [0]
    assert "1 starts in a row ended without a new checkpoint" in job.output()
    assert not list(program.out.glob(".slurm-*"))


def test_time_limit_stops_training_with_checkpoint(cluster, program):
    # Slurm checks every 30 s, and signals if the next check might be too late: 10 to 40 s after the start. Signaled before
    # there are any ranks it would be lost.
    job = Job(cluster, program, "train.steps=100000", options=("--nodes=1", "--time=1", "--signal=USR1@20"))
    job.until_start(2)
    assert job.starts()[0]["exit_code"] == STOPPED, job.output()
    # A canceled job is not requeued, but its checkpoint is kept.
    cluster.run("scancel", job.id)
    fields, _ = job.until_ended()
    assert (fields["JobState"], fields["Restarts"]) == ("CANCELLED", "1"), job.output()
    cluster.wait(lambda: job.starts()[1].get("exit_code") == STOPPED, "the checkpoint", job.output)


def test_grid_of_rates_and_seeds_is_one_array_and_one_report(cluster, program):
    values = {"VALLEY": VALLEY, "RATES": "1e-4 3e-4", "SEEDS": "5 6"}
    # Values with spaces cannot be in --export.
    command = ["env", *(f"{name}={value}" for name, value in values.items()), "sbatch", "--parsable", "--array=0-4", "--nodes=1",
               "--cpus-per-task=1", f"--output={program.folder}/%a.log", f"--chdir={program.folder}", GRID, program.config,
               "train.steps=3", "--out", program.out]
    array = int(cluster.run(*command))

    def logs():
        return "\n".join(file.read_text() for file in program.folder.glob("*.log"))

    def codes():
        ends = [json.loads(file.read_text()) for file in program.out.glob("*/*/exit.json")]
        return [end["exit_code"] for end in ends]

    cluster.wait(lambda: codes() == [0] * 4, "four runs", logs)
    cluster.wait(lambda: not cluster.run("squeue", "--noheader", "--jobs", array, check=False).strip(), "the end", logs)
    assert "no value for task '4'; submit it with: sbatch --array=0-3" in (program.folder / "4.log").read_text()
    runs = sorted(program.out.glob("*/*"))
    assert [run.parent.name for run in runs] == [f"lr-{lr}-seed-{seed}" for lr in ("1e-4", "3e-4") for seed in (5, 6)]
    settings = [(run / "config.toml").read_text() for run in runs]
    assert ["seed = 6" in text for text in settings] == [False, True, False, True]
    assert ": 4 runs in 2 groups, " in program.call("report", *runs, "-o", program.folder / "grid.html").stdout
    # The same array again: its runs are complete.
    cluster.run(*command)
    cluster.wait(lambda: logs().count("nothing to do: the run is at step 3 of 3") == 4, "the second array", logs)
    assert sorted(program.out.glob("*/*")) == runs


def test_array_task_is_requeued_alone(cluster, program):
    """Both tasks run at once; the one whose job id is the array id is stopped."""
    size = "--nodes=1", "--array=3,7"
    job = Job(cluster, program, "train.steps=100000", "train.seed=%a", options=(*size, f"--output={program.folder}/%a.log"),
              out=program.folder / "task-%a")
    outs = {task: program.folder / f"task-{task}" for task in (3, 7)}

    def starts(task):
        runs = program.runs(outs[task])
        file = runs[-1] / "run.json" if runs else None
        return json.loads(file.read_text()) if file and file.exists() else []

    def logs():
        return "\n".join(file.read_text() for file in program.folder.glob("*.log"))

    cluster.wait(lambda: all(starts(task) and steps_reported(program.newest(outs[task])) for task in outs), "both tasks", logs)
    assert {start["job"] for task in outs for start in starts(task)} == {f"{job.id}_3", f"{job.id}_7"}
    assert ["seed = 7" in (program.newest(outs[task]) / "config.toml").read_text() for task in outs] == [False, True]
    records = cluster.run("scontrol", "--oneliner", "show", "job", job.id).splitlines()
    own = {int(re.search(r"ArrayTaskId=(\d+)", record)[1]): re.search(r"^JobId=(\d+)", record)[1] for record in records}
    [leader] = [task for task in own if own[task] == str(job.id)]
    [other] = set(own) - {leader}
    cluster.run("scancel", "--signal=USR1", f"{job.id}_{leader}")
    cluster.wait(lambda: len(starts(leader)) == 2, "the second start", logs)
    assert starts(leader)[0]["exit_code"] == STOPPED
    # The other task continues undisturbed.
    assert len(starts(other)) == 1 and "exit_code" not in starts(other)[0], logs()
    assert (outs[leader] / f".slurm-{job.id}_{leader}").exists()
    cluster.run("scancel", job.id)
    cluster.wait(lambda: not cluster.run("squeue", "--noheader", "--jobs", job.id, check=False).strip(), "the end", logs)


def test_grid_task_without_progress_is_not_requeued(cluster, program):
    stopped = program.folder / "stopped"
    stopped.write_text(f"#!/bin/sh\nexit {STOPPED}\n")
    stopped.chmod(0o755)
    command = ["env", f"VALLEY={stopped}", "RATES=1e-4", "SEEDS=5", "MAX_IDLE_STARTS=2", "sbatch", "--parsable", "--array=0", "--nodes=1",
               "--cpus-per-task=1", f"--output={program.folder}/%a.log", f"--chdir={program.folder}", GRID, program.config, "train.steps=3",
               "--out", program.out]
    array = int(cluster.run(*command))

    def log():
        file = program.folder / "0.log"
        return file.read_text() if file.exists() else ""

    cluster.wait(lambda: "2 starts in a row ended without a new checkpoint" in log(), "the end of requeues", log)
    cluster.wait(lambda: not cluster.run("squeue", "--noheader", "--jobs", array, check=False).strip(), "the end", log)
    assert not list(program.out.glob("*/.slurm-*"))
