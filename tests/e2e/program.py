"""Runs the program like a user, on any number of ranks, and reads its output files."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests" / "gpu"))
from marked import marked_processes  # noqa: E402

BUILD = pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build"))
VALLEY = BUILD / "valley"

# The quickstart's 105 faces (launch/quickstart.sh).
FACES = ("2639-263A,1F600-1F637,1F641-1F644,1F910-1F917,1F920-1F925,1F927-1F92F,1F970-1F976,1F978-1F97A,1F9D0,"
         "1FAE0-1FAE8")
PATIENCE = 300  # seconds; timeout of a call, which normally takes a few
# Set by the launch scripts; without them the program executes itself again, which takes a third of a short call.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
MARK = "VALLEY_E2E_CALL"  # in the environment of all processes of one call, so that they can be found

# Exit codes, as src/core/error.h has them.
USAGE, CONFIG, DATA, MISSING, DIVERGED, CANNOT_WRITE, STOPPED = 2, 64, 65, 66, 70, 73, 75


@dataclasses.dataclass
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def errors(self):
        """Error lines of the program, without those of the launcher."""
        return [line for line in self.stderr.splitlines() if re.match(r"(\[\d+\] )?error: ", line)]

    @property
    def error(self):
        """The single error message, which may have several lines."""
        assert len(self.errors) == 1, self.stderr
        return self.stderr[self.stderr.index(self.errors[0]):]


# The peak memory of a forked process includes that of its parent, so a small process forks it.
MEASURE = """import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as file:
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10, file=file)
"""


@dataclasses.dataclass
class Cost:
    code: int
    stderr: str
    seconds: float  # CPU time
    memory: int  # bytes, peak
    stdout: str


def measured(command, folder):
    """Runs a command and returns its CPU time and peak memory."""
    file = folder / f"{uuid.uuid4().hex}.cost"
    result = subprocess.run([sys.executable, "-c", MEASURE, file, *map(str, command)], capture_output=True, stdin=subprocess.DEVNULL,
                            text=True, errors="replace", timeout=PATIENCE, check=True)
    code, seconds, memory = file.read_text().split()
    file.unlink()
    return Cost(int(code), result.stderr, float(seconds), int(memory), result.stdout)


def restore_signal_handlers():
    """Undoes inherited ignored signals, as of background jobs of a shell or nohup."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)


class Call:
    """A running command. Leaving the context kills all its processes."""

    def __init__(self, command, folder, variables=None):
        self.mark = uuid.uuid4().hex
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "OMP_"))}
        environment |= {MARK: self.mark, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **(variables or {})}
        self.files = [folder / f"{self.mark}.{stream}" for stream in ("stdout", "stderr")]
        with open(self.files[0], "w") as stdout, open(self.files[1], "w") as stderr:
            self.process = subprocess.Popen(command, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL,
                                            env=environment, start_new_session=True, preexec_fn=restore_signal_handlers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def processes(self):
        """pid -> environment of all running processes of this call."""
        return marked_processes(MARK, self.mark)

    def rank(self, rank):
        """The pid of one rank under mpirun."""
        [pid] = [pid for pid, variables in self.processes().items()
                 if variables.get("OMPI_COMM_WORLD_RANK") == str(rank)]
        return pid

    def wait(self, seconds=PATIENCE):
        code = self.process.wait(timeout=seconds)
        stdout, stderr = (file.read_text() for file in self.files)
        return Result(code if code >= 0 else 128 - code, stdout, stderr)

    def until(self, condition):
        """Waits until `condition()` is true; fails if the call ends first."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, "the call ended before the condition: " + self.files[1].read_text()
            assert time.monotonic() < deadline, "timeout: " + self.files[1].read_text()
            time.sleep(0.01)


def launcher(ranks):
    """Command words that launch `ranks` ranks; None: without a launcher."""
    return [] if ranks is None else ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]


class Program:
    """The program with one config and a working folder."""

    def __init__(self, folder, config):
        self.folder = folder
        self.config = config
        self.out = folder / "runs"

    def start(self, *arguments, ranks=None):
        return Call([*launcher(ranks), VALLEY, *map(str, arguments)], self.folder, WAITING)

    def call(self, *arguments, ranks=None, expect=0):
        with self.start(*arguments, ranks=ranks) as call:
            result = call.wait()
        assert result.code == expect, f"exit code {result.code}, not {expect}:\n{result.stderr}"
        return result

    def start_training(self, ranks, *arguments, config=None, out=None):
        return self.start("train", config or self.config, *arguments, "--out", out or self.out, ranks=ranks)

    def train(self, ranks, *arguments, expect=0, **places):
        with self.start_training(ranks, *arguments, **places) as call:
            result = call.wait()
        assert result.code == expect, f"exit code {result.code}, not {expect}:\n{result.stderr}"
        return result

    def trained(self, ranks, *arguments, **places):
        """Trains, and returns the run directory."""
        self.train(ranks, *arguments, **places)
        return self.newest()

    def undisturbed_bits(self, steps, *arguments):
        """SHA-256 of the model after `steps` steps of a run on one rank in a folder of its own."""
        out = self.folder / "undisturbed"
        self.train(1, *arguments, f"train.steps={steps}", out=out)
        return bits(checkpoint(self.newest(out)))["model.safetensors"]

    def copy_of(self, run):
        """Copies a run of another Program as the next run of this one, for tests that change it."""
        return shutil.copytree(run, self.out / f"{len(self.runs()):05}{run.name[5:]}", symlinks=True)

    def runs(self, out=None):
        return sorted(path.parent for path in (out or self.out).glob("[0-9]*/config.toml"))

    def newest(self, out=None):
        return self.runs(out)[-1]


def checkpoint(run, step=None):
    """The newest checkpoint, or the one of a step."""
    if step is not None:
        return run / "checkpoints" / f"step-{step:08}"
    return checkpoints(run)[-1]


def checkpoints(run):
    return sorted(path.parent for path in (run / "checkpoints").glob("step-*/COMMIT"))


def step_of(path):
    return int(path.name.removeprefix("step-"))


def bits(path):
    """SHA-256 of the tensor files of a checkpoint."""
    return {name: hashlib.sha256((path / name).read_bytes()).hexdigest()
            for name in ("model.safetensors", "state.safetensors")}


def stats(run):
    """The complete lines of stats.jsonl; empty if it does not exist yet."""
    file = run / "stats.jsonl"
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def reports(run):
    return [line for line in stats(run) if "event" not in line]


def steps_reported(run):
    return [line["step"] for line in reports(run)]


def has_reached(program, step, out=None):
    """A condition for Call.until: the newest run has reported `step`. Needs train.report_every = 1."""
    def condition():
        runs = program.runs(out)
        return bool(runs) and any(s >= step for s in steps_reported(runs[-1]))
    return condition


def flip(file, offset, bit=0):
    """Flips one bit of the byte at `offset`."""
    with open(file, "r+b") as stream:
        stream.seek(offset)
        [byte] = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([byte ^ 1 << bit]))
