"""Commands under a time limit. At the end no process of a command is left, ranks that mpirun started included."""

import os
import pathlib
import shlex
import signal
import subprocess
import time
import uuid

from marked import marked_processes

MARK = "VALLEY_GPU_CALL"  # environment variable of all processes of one call, by which they are found
# A launcher of this script is not one of the programs that it starts.
OUTER_LAUNCHER = ("OMPI_COMM_", "OMPI_UNIVERSE", "OMPI_APP", "PMIX_", "PMI_")
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class OverLimit(Exception):
    """The time limit is reached."""


class Result:
    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr

    def last_line(self):
        """The program's error line, else the last line that is not empty."""
        lines = [line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()]
        errors = [line for line in self.stderr.splitlines() if "error: " in line]
        return (errors or [line for line in self.stderr.splitlines() if line.strip()][-1:] or lines[-1:] or ["no output"])[0]


def environment_of_call(mark, changes):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTER_LAUNCHER)}
    kept.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    return {**kept, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **changes, MARK: mark}


def default_signals():
    """A shell or nohup may have some ignored, and programs inherit that."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class Call:
    """A command that runs until `deadline` (time.monotonic) at most. Leaving the context ends all its processes."""

    def __init__(self, command, log, deadline, changes=None):
        self.mark, self.deadline, self.log = uuid.uuid4().hex, deadline, pathlib.Path(log)
        self.command = [str(word) for word in command]
        shown = [f"{name}={value}" for name, value in (changes or {}).items()] + self.command
        with open(self.log, "a") as file:
            file.write(f"$ {shlex.join(shown)}\n")
        self.files = [self.log.with_name(f".{self.mark}.{stream}") for stream in ("stdout", "stderr")]
        with open(self.files[0], "w") as stdout, open(self.files[1], "w") as stderr:
            self.process = subprocess.Popen(self.command, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL,
                                            env=environment_of_call(self.mark, changes or {}), start_new_session=True,
                                            preexec_fn=default_signals)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(50):  # a process that is being killed may have started another
            left = self.processes()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not left:
                break
            time.sleep(0.1)
        self.process.wait()
        with open(self.log, "a") as log:
            for file in self.files:
                log.write(file.read_text(errors="replace"))
                file.unlink()
            log.write(f"[exit code {self.process.returncode}]\n\n")

    def processes(self):
        """Living processes of this call: pid -> environment."""
        return marked_processes(MARK, self.mark)

    def pids_of_rank(self, rank):
        return [pid for pid, variables in self.processes().items() if variables.get("OMPI_COMM_WORLD_RANK") == str(rank)]

    def until(self, condition):
        """Waits for `condition()`. False if the command ended before."""
        while not condition():
            if self.process.poll() is not None:
                return condition()
            if time.monotonic() > self.deadline:
                raise OverLimit
            time.sleep(0.02)
        return True

    def wait(self):
        try:
            code = self.process.wait(timeout=max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise OverLimit from None
        stdout, stderr = (file.read_text(errors="replace") for file in self.files)
        return Result(code if code >= 0 else 128 - code, stdout, stderr)
