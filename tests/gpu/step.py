"""A step of the validation, and the means that its function gets."""

import os
import time

import place
from process import Call


class Failed(Exception):
    """The step failed; the text says of what."""


class Skipped(Exception):
    """The step cannot run here; the text says why."""


class Step:
    """name; group (the word of --only and of docs/gpu.md); limit in seconds; checks: one line for --list; run(work) returns the
    detail of the table, or raises Failed, Skipped or OverLimit."""

    def __init__(self, name, group, limit, checks, run, quick=True):
        self.name, self.group, self.limit, self.checks, self.run, self.quick = name, group, limit, checks, run, quick


class Machine:
    """The GPUs and versions of this machine, filled in by the step `doctor`, and results that steps share."""

    def __init__(self, out, quick, scale):
        self.out, self.quick, self.scale = out, quick, scale
        self.program = place.find_program()
        self.launch = place.launch_words()
        self.gpus, self.gpu_name, self.driver, self.versions, self.commit = 0, "", "", "", ""
        self.fake = False
        self.shared = {}  # results of steps by name, and values that several steps use

    @property
    def ranks(self):
        """Ranks of the rows of several GPUs: a power of two, at most 8; 2 on one GPU, which they share."""
        return min(8, 1 << (self.gpus.bit_length() - 1)) if self.gpus > 1 else 2


class Work:
    """What a step's function works with: commands run until the step's time limit, and go to its log."""

    def __init__(self, machine, step):
        self.machine, self.name = machine, step.name
        self.limit = step.limit * machine.scale
        self.deadline = time.monotonic() + self.limit
        self.folder = machine.out / "work" / step.name
        self.log = machine.out / f"{step.name}.log"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.commands = []

    def words(self, program, words, ranks=None, on_gpu=True):
        """A command line: mpirun for several ranks, VALLEY_GPU_LAUNCH, then the program."""
        start = [] if ranks is None else [place.find_mpirun(self.machine.program), "--oversubscribe", "--bind-to", "none", "-n", ranks]
        return [str(word) for word in (*start, *(self.machine.launch if on_gpu else ()), program, *words)]

    def environment(self, ranks, changes):
        """Two ranks of one GPU need VALLEY_SHARE_GPU."""
        if ranks is None or ranks <= self.machine.gpus:
            return dict(changes or {})
        shared = self.machine.shared.get("contract-shared")
        if shared in ("fail", "timeout") and self.name != "contract-shared":
            raise Skipped("two ranks cannot share a GPU here (step contract-shared), and there is one GPU only")
        return {"VALLEY_SHARE_GPU": "1", **(changes or {})}

    def start(self, command, environment=None):
        self.commands.append(" ".join(command))
        return Call(command, self.log, self.deadline, environment)

    def run(self, command, environment=None, expect=0):
        """Runs a command line to its end. `expect`: an exit code, or None for any."""
        with self.start(command, environment) as call:
            result = call.wait()
        if expect is not None and result.code != expect:
            raise Failed(f"exit code {result.code} instead of {expect}: {result.last_line()}")
        return result

    def valley(self, *words, ranks=None, on_gpu=True, environment=None, expect=0):
        return self.run(self.words(self.machine.program, words, ranks, on_gpu), self.environment(ranks, environment), expect)

    def test(self, name, *words, ranks=None, environment=None):
        """Runs a test program of googletest; a test that is skipped counts as failed, as its reason is that it found no GPU."""
        program = place.find_test(self.machine.program, name)
        result = self.run(self.words(program, (*words, "--gtest_color=no"), ranks), self.environment(ranks, environment), None)
        text = result.stdout + result.stderr
        broken = sorted({line.split("]", 1)[1].split("(")[0].split(",")[0].strip() for line in text.splitlines()
                         if line.lstrip("0123456789[] ").startswith(("[  FAILED  ]", "FAILED  ]", "[  SKIPPED ]", "SKIPPED ]"))})
        if result.code != 0:
            raise Failed(f"exit code {result.code}: {', '.join(broken) or result.last_line()}")
        if broken:
            raise Failed(f"skipped: {', '.join(broken)}")
        passed = [line for line in text.splitlines() if "[  PASSED  ]" in line]
        if not passed:
            raise Failed("no test ran")
        return passed[0].split("]")[-1].strip().rstrip(".") + " passed"

    def has_option(self, command, option):
        return option in self.run(self.words(self.machine.program, (*command.split(), "--help"), on_gpu=False)).stdout.split()

    def first_gpu(self):
        return {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
