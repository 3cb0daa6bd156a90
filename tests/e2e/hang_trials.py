"""One rank of a training breaks at a random moment: what the watchdog says, and when the job ends. Used by test_watchdog.py and by
tests/chaos/hangs.py."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from conftest import CONFIG, build_faces, build_failing_calls
from launch_scripts import LAUNCH, environment, ranks_of
from program import BUILD, VALLEY, WAITING, Call, Program, launcher, stats
from simulated_hosts import Hosts

LOST, KILLED = 76, 137
FAULTS = ("dead", "stopped", "loader", "mismatch", "partition")
GRACE = 5  # seconds after the limit
ENDLESS = ("train.steps=1000000", "checkpoint.every=1000000", "samples.every=1000000", "train.report_every=1")
MARGIN = 30  # seconds until a job that does not end is given up


def make_data(folder):
    """The library for LD_PRELOAD, and a config."""
    data = build_faces(folder, 32)
    config = folder / "tiny.toml"
    config.write_text(CONFIG.format(data=data))
    return {"config": config, "shim": build_failing_calls(folder)}


def end_of(run):
    """exit.json, {} while there is none."""
    file = run / "exit.json"
    return json.loads(file.read_text()) if file.exists() else {}


def record_of(run, rank):
    """The flight record of a rank, None if it wrote none."""
    file = run / "flight" / f"rank-{rank}.json"
    return json.loads(file.read_text()) if file.exists() else None


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


def require(holds, text):
    if not holds:
        raise Wrong(text)


class Trial:
    def __init__(self, folder, data, limit, chance):
        self.folder, self.data, self.limit, self.chance = folder, data, limit, chance
        self.program = Program(folder, data["config"])
        self.ranks = chance.choice([2, 4])
        self.victim = chance.randrange(self.ranks)
        self.broken = None  # when

    def run(self, fault):
        wrong = ""
        self.broken = time.monotonic()
        try:
            getattr(self, fault)()
        except Wrong as error:
            wrong = str(error)
        return {"wrong": wrong, "seconds": round(time.monotonic() - self.broken, 2), "ranks": self.ranks, "victim": self.victim}

    def command(self, *more):
        return [VALLEY, "train", self.data["config"], *ENDLESS, f"train.hang_timeout={self.limit}", *more, "--out", self.program.out]

    def await_steps(self, call, least=3):
        """Until the run has done some steps, and a random time longer."""
        call.until(lambda: self.program.runs() and any(line.get("step", 0) >= least for line in stats(self.program.newest())))
        time.sleep(self.chance.uniform(0, 1))

    def ended(self, call, codes, *, by=None):
        """Waits for the end, and checks its time, its exit code and what is left."""
        try:
            result = call.wait(self.limit + MARGIN)
        except subprocess.TimeoutExpired:
            raise Wrong(f"the job stood still for {self.limit + MARGIN} s") from None
        seconds = time.monotonic() - self.broken
        require(result.code in codes, f"exit code {result.code}: {result.stderr[-400:]}")
        require(seconds < (by or self.limit + GRACE), f"{seconds:.1f} s until the end")
        left = self.left_after(call)
        require(not left, f"left: {left}")
        return result

    def left_after(self, call):
        # mpirun ends before the kernel has taken down its children.
        until = time.monotonic() + 2
        while (left := call.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        return {pid: variables.get("OMPI_COMM_WORLD_RANK") for pid, variables in left.items()}

    def check_verdict(self, kind, *, host=None, pid=None, records=True):
        """The verdict names the victim, and the step and the collective in which the others wait."""
        run = self.program.newest()
        why = end_of(run).get("why", "")
        require(f"rank {self.victim} (host {host or socket.gethostname()}" in why, f"verdict: {why}")
        require(pid is None or f"process {pid})" in why, f"verdict: {why}")
        written = [record for rank in range(self.ranks) if rank != self.victim and (record := record_of(run, rank))]
        require(not records or written, "no flight record")
        step = max(line["step"] for line in stats(run) if "step" in line)
        found = re.search(r"waits? in (.*) of step (\d+)", why)
        require(found, f"verdict without a collective: {why}")
        # Reports are written while the next step runs.
        require(step < int(found[2]) <= step + 2, f"step {found[2]} after report {step}")
        for record in written:
            verdict = record["verdict"]
            require((verdict["kind"], verdict["ranks"]) == (kind, [self.victim]), f"{verdict['kind']} of ranks {verdict['ranks']}")
            last = record["collectives"][-1]
            require(f"{last['collective']} {last['number']} " in why, f"rank {record['rank']} is in {last['collective']} {last['number']}: {why}")

    def dead(self):
        # mpirun kills the others soon, perhaps before they have written their records.
        self.signal_victim(signal.SIGKILL, "dead", {LOST, KILLED}, GRACE, records=False)

    def stopped(self):
        self.signal_victim(signal.SIGSTOP, "stopped", {LOST}, self.limit + GRACE, records=True)

    def signal_victim(self, number, kind, codes, by, *, records):
        with Call([*launcher(self.ranks), *self.command()], self.folder, WAITING) as call:
            self.await_steps(call)
            pid = call.rank(self.victim)
            self.broken = time.monotonic()
            os.kill(pid, number)
            self.ended(call, codes, by=by)
        self.check_verdict(kind, pid=pid, records=records)

    def loader(self):
        variables = {"LD_PRELOAD": str(self.data["shim"]), "FAIL_RANK": str(self.victim),
                     "FAIL_CALLS": f"pread:shard-00000.h5:1000:{self.chance.randrange(100, 400)}"}
        with Call([*launcher(self.ranks), *self.command()], self.folder, WAITING | variables) as call:
            # The loader is ahead: the job stands still when its batches are used up.
            call.until(lambda: self.program.runs() and stats(self.program.newest()))
            last, since = -1, time.monotonic()
            while time.monotonic() - since < 2 and call.process.poll() is None:
                steps = len(stats(self.program.newest()))
                if steps != last:
                    last, since = steps, time.monotonic()
                time.sleep(0.05)
            self.broken = since
            self.ended(call, {LOST})
        self.check_verdict("loader")

    def mismatch(self):
        step = self.chance.randrange(100, 3000)
        words = [self.folder / "flight", self.limit, self.victim, step]
        with Call([*launcher(self.ranks), BUILD / "tests" / "flight" / "mismatched_ranks", *map(str, words)],
                  self.folder) as call:
            self.broken = time.monotonic()
            self.ended(call, {LOST}, by=self.limit + GRACE + 4)  # start-up included
        verdicts = [record["verdict"] for rank in range(self.ranks) if (record := record_of(self.folder, rank))]
        require(len(verdicts) == self.ranks, f"{len(verdicts)} records of {self.ranks}")
        # Of two ranks, one cannot tell which of them is wrong: that without rank 0 is named, and both are described.
        culprit = self.victim if self.ranks > 2 else 1
        for verdict in verdicts:
            require((verdict["kind"], verdict["ranks"], verdict["step"]) == ("mismatch", [culprit], step), str(verdict))
            require("all-reduce" in verdict["text"] and "barrier" in verdict["text"], verdict["text"])

    def partition(self):
        self.ranks = 2
        self.victim = 1
        with Hosts(self.folder, 2) as hosts:
            flags = hosts.mpirun_flags()
            settings = environment(MPIRUN_FLAGS=f"'{flags}'")
            words = [LAUNCH / "mpirun.sh", hosts.hostfile(), self.data["config"], *ENDLESS, f"train.hang_timeout={self.limit}", "--out",
                     self.program.out]
            with Call(hosts.on(0, "env", *settings, *words), self.folder) as call:
                self.await_steps(call)
                pid = ranks_of(call)[1][0]
                self.broken = time.monotonic()
                hosts.set_network(cut="1")
                # mpirun, which waits for the daemon of the other host, is killed.
                self.ended(call, {LOST, KILLED})
            self.check_verdict("unreachable", host=hosts.names[1], pid=pid)
