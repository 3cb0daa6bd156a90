"""Failure paths: out of memory, a killed rank, a step that is not finite, a signal and the resume after it."""

import os
import signal
import time

from runs import checkpoint, digest, last_step, run_folder
from step import Failed, Step
from training import batch_of, train, train_words

# docs/exit-codes.md
DIVERGED, OUT_OF_MEMORY, STOPPED, RANK_LOST = 70, 71, 75, 76
KILLED = 128 + signal.SIGKILL  # of mpirun, where a rank was killed
SECONDS_AFTER_KILL = 30


def check_out_of_memory(work):
    """A pass of 65,536 images takes some 480 GiB at width 128; the variable gives a fake device little memory."""
    words = train_words(work, "began", "train.global_batch=65536", "train.microbatch=65536", "model.width=128")
    result = work.valley(*words, "train.device=cuda", "--out", work.folder / "runs", expect=OUT_OF_MEMORY,
                         environment={"VALLEY_FAKE_MEMORY": str(256 << 20)})
    if "train.microbatch" not in result.last_line():
        raise Failed(f"the message does not name train.microbatch: {result.last_line()}")
    return f"exit code {OUT_OF_MEMORY}, the message names train.microbatch"


def check_not_finite(work):
    words = train_words(work, "began", "optimizer.lr=1e30")
    result = work.valley(*words, "train.device=cuda", "--out", work.folder / "runs", expect=DIVERGED)
    if "optimizer.lr" not in result.last_line():
        raise Failed(f"the message does not name optimizer.lr: {result.last_line()}")
    return f"exit code {DIVERGED}, the message names optimizer.lr"


def start_long(work, ranks, *keys):
    """A training that does not end by itself."""
    words = train_words(work, "began", "train.report_every=1", "checkpoint.every=1000000", "samples.every=1000000", *keys, steps=1000000)
    command = work.words(work.machine.program, [*words, "train.device=cuda", "--out", work.folder / "runs"], ranks)
    return work.start(command, work.environment(ranks, {}))


def await_steps(work, call, steps):
    if not call.until(lambda: last_step(work.folder / "runs") >= steps):
        raise Failed(f"training ended before step {steps}: {call.wait().last_line()}")


def check_killed_rank(work):
    ranks = work.machine.ranks
    with start_long(work, ranks, f"train.microbatch={batch_of(work.machine) // ranks}") as call:
        await_steps(work, call, 3)
        for pid in call.pids_of_rank(ranks - 1):
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        result = call.wait()
        seconds = time.monotonic() - began
        left = call.processes()
    if result.code not in (KILLED, RANK_LOST):
        raise Failed(f"exit code {result.code} instead of {KILLED} or {RANK_LOST}: {result.last_line()}")
    if seconds > SECONDS_AFTER_KILL or left:
        raise Failed(f"{len(left)} processes are left {seconds:.0f} s after the kill (allowed: none after {SECONDS_AFTER_KILL} s)")
    return f"exit code {result.code}, all of {ranks} ranks ended {seconds:.1f} s after the kill of one"


def check_signal(work):
    """SIGUSR1, resume for four steps, and the same steps in one run."""
    mode = ["train.reproducible=true"]
    with start_long(work, None, *mode) as call:
        await_steps(work, call, 3)
        os.kill(call.process.pid, signal.SIGUSR1)
        result = call.wait()
    if result.code != STOPPED:
        raise Failed(f"exit code {result.code} instead of {STOPPED}: {result.last_line()}")
    run = run_folder(work.folder / "runs")
    stopped = max(int(path.parent.name.split("-")[1]) for path in (run / "checkpoints").glob("step-*/COMMIT"))
    last = stopped + 4
    work.valley("train", "--resume", run, f"train.steps={last}")
    words = train_words(work, "began", "train.report_every=1", "checkpoint.every=1000000", "samples.every=1000000", *mode, steps=last)
    straight = digest(checkpoint(train(work, words, "straight"), last))
    if digest(checkpoint(run, last)) != straight:
        raise Failed(f"the run that was stopped at step {stopped} and resumed differs at step {last} from one without a stop")
    return f"exit code {STOPPED} at step {stopped}; step {last} after the resume has the bits of a run without a stop"


def steps(machine):
    yield Step("failures-memory", "failures", 60, "a batch that does not fit: exit code 71, a message that names train.microbatch",
               check_out_of_memory)
    yield Step("failures-rank", "failures", 90, f"a killed rank: exit code 76 or the launcher's, nothing left after {SECONDS_AFTER_KILL} s",
               check_killed_rank)
    yield Step("failures-not-finite", "failures", 60, "a learning rate of 1e30: exit code 70, a message that names optimizer.lr",
               check_not_finite)
    yield Step("failures-signal", "failures", 120, "SIGUSR1: exit code 75; after a resume the bits of a run without a stop", check_signal)
