"""launch/slurm.sbatch on a real Slurm cluster of two nodes: preempted jobs continue, and end with the bits of an undisturbed run."""

import json
import os
import re
import time

import pytest
import slurm_cluster
from program import CONFIG, REPOSITORY, STOPPED, VALLEY, bits, checkpoint, checkpoints, steps_reported

SBATCH = REPOSITORY / "launch" / "slurm.sbatch"
STEPS = 240
SIZE = "--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0"

pytestmark = pytest.mark.skipif(slurm_cluster.missing() != "", reason=slurm_cluster.missing())


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.Cluster() as running:
        yield running


class Job:
    """A submitted slurm.sbatch, its folder of runs and its output."""

    def __init__(self, cluster, program, *arguments, options=(), environment=None):
        self.cluster = cluster
        self.program = program
        self.log = program.folder / "slurm.log"
        exported = {"VALLEY": str(VALLEY)} | (environment or {})
        self.id = cluster.submit(
            *SIZE, *options, f"--output={self.log}", f"--chdir={program.folder}",
            "--export=ALL," + ",".join(f"{k}={v}" for k, v in exported.items()), SBATCH, program.config,
            *arguments, "--out", program.out)

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


def signal_job(cluster, job):
    cluster.run("scancel", "--signal=USR1", job.id)


def requeue_job(cluster, job):
    cluster.run("scontrol", "requeue", job.id)


def test_a_preempted_job_requeues_itself_and_ends_with_the_same_bits(cluster, program, shared_program):
    options = f"train.steps={STEPS}", "train.reproducible=true"
    straight = shared_program.trained(2, *options)
    job = Job(cluster, program, *options)
    for start, preempt in enumerate((signal_job, requeue_job), 1):
        job.until_start(start)
        job.until_step(start * 60)
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
