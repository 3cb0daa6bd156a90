"""One fault after another in a job with --restarts: does it end by itself, with the bits of an undisturbed run, and how much time is lost?

    tests/chaos/faults.py --minutes 60 --every 60       # and as long again for the undisturbed run
    tests/chaos/faults.py --minutes 5 --every 30        # a short one

Faults are of random kinds: a rank is killed, stopped, or waits for a disk that does not answer, or mpirun is killed. Time is useful if
the undisturbed job needs it for the same steps.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from hang_trials import make_data  # noqa: E402
from launch_scripts import LAUNCH, environment, ranks_of  # noqa: E402
from program import WAITING, Call, Program, bits, checkpoint, stats  # noqa: E402

KINDS = ("killed", "stopped", "disk", "mpirun")
PARTS = ("useful_s", "data_wait_s", "checkpoints_s", "evaluation_s", "samples_s", "startup_s", "other_s", "lost_s", "down_s",
         "restart_startup_s")
SETTINGS = ("train.reproducible=true", "checkpoint.every=1000000", "samples.every=1000000", "train.report_every=5")


class Job:
    def __init__(self, place, data, options, out, steps):
        self.program = Program(place, data["config"])
        self.program.out = place / out
        self.block = place / "the disk does not answer"
        variables = {"LD_PRELOAD": str(data["shim"]), "FAIL_CALLS": "pread:shard-00000.h5:1000", "FAIL_WHILE": str(self.block), "FAIL_RANK": "1"}
        words = ["env", *environment(RANKS=2, **(variables if options.every else {})), LAUNCH / "local.sh", data["config"], *SETTINGS,
                 f"train.steps={steps}", f"train.hang_timeout={options.limit}", f"checkpoint.every_seconds={options.save}",
                 "--restarts", "10000", "--out", self.program.out]
        if options.local:
            words += [f"checkpoint.local={place / 'local'}", f"checkpoint.local_every_seconds={options.local}"]
        self.call = Call([str(word) for word in words], place, WAITING)

    def step(self):
        """The last reported step, 0 if there is none."""
        runs = self.program.runs()
        lines = stats(runs[-1]) if runs else []
        return max((line["step"] for line in lines if "event" not in line), default=0)

    def starts(self):
        runs = self.program.runs()
        file = runs[-1] / "run.json" if runs else None
        return len(json.loads(file.read_text())) if file and file.exists() else 0

    def is_training(self, since):
        """True if the newest start is later than number `since` and has trained."""
        return self.starts() > since and "step " in self.call.files[1].read_text().rpartition("run: ")[2]


def break_something(job, kind, chance):
    ranks = ranks_of(job.call)
    if kind == "mpirun":
        [pid] = [pid for pid in job.call.processes() if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() in ("mpirun", "orterun")]
        os.kill(pid, signal.SIGKILL)
    elif kind == "disk":
        job.block.touch()
    else:
        os.kill(ranks[chance.randrange(2)][0], signal.SIGKILL if kind == "killed" else signal.SIGSTOP)


def disturb(job, options, chance):
    """Faults until the time is over; a list of them with the seconds until training continued."""
    faults = []
    end = time.monotonic() + 60 * options.minutes
    due = time.monotonic() + options.every
    while time.monotonic() < end and job.call.process.poll() is None:
        time.sleep(max(0.0, min(due, end) - time.monotonic()))
        due += options.every
        if job.call.process.poll() is not None or time.monotonic() >= end:
            break
        kind, starts, step = chance.choice(KINDS), job.starts(), job.step()
        try:
            break_something(job, kind, chance)
        except (KeyError, ValueError, ProcessLookupError, FileNotFoundError):
            continue  # it is just starting
        broken = time.monotonic()
        while not job.is_training(starts) and job.call.process.poll() is None and time.monotonic() - broken < 120:
            if job.block.exists() and job.starts() == starts and not ranks_of(job.call):
                job.block.unlink()
            time.sleep(0.05)
        job.block.unlink(missing_ok=True)
        faults.append({"kind": kind, "seconds": round(time.monotonic() - broken, 2), "step": step})
        print(json.dumps(faults[-1]), file=sys.stderr, flush=True)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=60, help="seconds between faults")
    parser.add_argument("--limit", type=int, default=5, help="train.hang_timeout")
    parser.add_argument("--save", type=int, default=5, help="checkpoint.every_seconds")
    parser.add_argument("--local", type=int, default=0, help="checkpoint.local_every_seconds; 0: no local copies")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="valley-faults-"))
    data = make_data(place)
    began = time.monotonic()
    job = Job(place, data, options, "disturbed", 100_000_000)
    with job.call:
        faults = disturb(job, options, random.Random(options.seed))
        job.call.process.send_signal(signal.SIGTERM)
        code = job.call.process.wait(timeout=300)
        wall = time.monotonic() - began
    run = job.program.newest()
    steps = int(checkpoint(run).name.removeprefix("step-"))
    options.every = 0
    began = time.monotonic()
    calm = Job(place, data, options, "undisturbed", steps)
    with calm.call:
        calm_code = calm.call.process.wait()
    useful = time.monotonic() - began
    equal = bits(checkpoint(run))["model.safetensors"] == bits(checkpoint(calm.program.newest()))["model.safetensors"]
    print("| fault | number | seconds until training again: mean, largest |\n|---|---|---|")
    for kind in KINDS:
        seconds = [fault["seconds"] for fault in faults if fault["kind"] == kind]
        if seconds:
            print(f"| {kind} | {len(seconds)} | {sum(seconds) / len(seconds):.1f}, {max(seconds):.1f} |")
    down = sum(fault["seconds"] for fault in faults)
    print(f"\n{len(faults)} faults in {wall:.0f} s, {job.starts()} starts, exit code {code}; {steps} steps, bits "
          f"{'equal' if equal else 'NOT EQUAL'}. Useful: {100 * useful / wall:.1f} % ({useful:.0f} s undisturbed, exit code {calm_code}); "
          f"until training again {100 * down / wall:.1f} %; steps that were repeated, and checkpoints: {100 * (wall - useful - down) / wall:.1f} %.")
    [listed] = json.loads(job.program.call("runs", run, "--json").stdout)
    parts = listed["time"]
    print(f"\ntime.jsonl: goodput {100 * parts['goodput']:.1f} % of {parts['wall_s']:.0f} s, {parts['lost_steps']} steps repeated\n\n"
          "| part | seconds | share |\n|---|---|---|")
    for name in sorted(PARTS, key=lambda name: -parts[name]):
        print(f"| {name.removesuffix('_s').replace('_', ' ')} | {parts[name]:.1f} | {100 * parts[name] / parts['wall_s']:.1f} % |")
    shutil.rmtree(place)
    sys.exit(not equal or code != 75 or calm_code != 0)


if __name__ == "__main__":
    main()
