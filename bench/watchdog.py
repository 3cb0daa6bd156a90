"""Cost of the watchdog (train.hang_timeout): short trainings with and without it in alternating rounds.

    bench/watchdog.py --rounds 20              # a table in Markdown on standard output, about ten minutes

Small networks make steps of a few milliseconds with eight collectives each, the worst case. Beside the ratio of the step times stands
what the thread of the watchdog itself used of the processor time, which does not depend on other load.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from alternate import BUILD, ENVIRONMENT, REPOSITORY, build_emoji, launcher, machine, run_alternating, table, version

sys.path.append(str(REPOSITORY / "tests" / "gpu"))
from marked import marked_processes  # noqa: E402

CONFIG = REPOSITORY / "configs" / "emoji32-began.toml"
SMALL = ("model.width=4", "model.latent=8", "model.hidden=8", "train.global_batch=16", "train.microbatch=4", "train.threads=1", "train.device=cpu",
         "samples.every=1000000")
BATCH = 16
THREAD = "watchdog"
MARK = "VALLEY_BENCH_RUN"  # in the environment of all processes of one training


def thread_times(pids):
    """Nanoseconds of processor time (of the watchdog, of all threads)."""
    own = whole = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                used = int((task / "schedstat").read_text().split()[0])
                whole += used
                own += used if (task / "comm").read_text().startswith(THREAD) else 0
            except OSError:
                continue  # it has ended
    return own, whole


def train(valley, data, options, timeout):
    """Seconds per step without the first report, and the watchdog's share of the processor time."""
    out = tempfile.mkdtemp(prefix="valley-watchdog-")
    command = [*launcher(options.ranks), valley, "train", CONFIG, *SMALL, f"data.path={data}", f"train.steps={options.steps}",
               f"train.report_every={options.steps // 8}", f"train.hang_timeout={timeout}", "--out", out]
    job = subprocess.Popen(list(map(str, command)), env={**os.environ, **ENVIRONMENT, MARK: out}, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    times = (0, 1)
    while job.poll() is None:
        now = thread_times(pid for pid, variables in marked_processes(MARK, out).items() if "OMPI_COMM_WORLD_RANK" in variables)
        times = max(times, now)  # the watchdog ends before its process: then its time is no longer seen
        time.sleep(0.1)
    if job.returncode != 0:
        sys.exit(job.stderr.read()[-3000:])
    [stats] = pathlib.Path(out).glob("*/stats.jsonl")
    lines = [line for line in map(json.loads, stats.read_text().splitlines()) if "images_per_s" in line]
    shutil.rmtree(out)
    return {"step": statistics.median(BATCH / line["images_per_s"] for line in lines[1:]), "share": times[0] / times[1]}


def interval(values, count=2000):
    """95 % interval of the median by bootstrap."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(count))
    return medians[int(0.025 * count)], medians[int(0.975 * count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="valley-watchdog-") as folder:
        build_emoji(options.valley, pathlib.Path(folder) / "data", 32)
        results = run_alternating({"with": lambda: train(options.valley, f"{folder}/data", options, 300),
                                   "without": lambda: train(options.valley, f"{folder}/data", options, 0)}, options.rounds)
    ratios = [a["step"] / b["step"] for a, b in zip(results["with"], results["without"], strict=True)]
    low, high = interval(ratios)
    print(f"{machine()}, {version(options.valley)}, {options.ranks} ranks, {options.rounds} rounds of {options.steps} steps\n")
    print(table(["", "with", "without", "ratio: median (95 % interval)"],
                [["step, ms", *(f"{1000 * statistics.median(r['step'] for r in results[side]):.2f}" for side in ("with", "without")),
                  f"{statistics.median(ratios):.4f} ({low:.4f} to {high:.4f})"],
                 ["thread of the watchdog, share of processor time", f"{100 * statistics.median(r['share'] for r in results['with']):.3f} %", "0", ""]]))


if __name__ == "__main__":
    main()
