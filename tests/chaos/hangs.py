"""Ranks that end, stop, are cut off, wait for a disk or call another collective, at random moments: does the watchdog name the right one?

    tests/chaos/hangs.py --count 20                     # all faults, a table in Markdown on standard output
    tests/chaos/hangs.py --count 3 --only stopped,dead

Each trial starts a training of real ranks, breaks one of them after a random time, and checks: the exit code; that the verdict names
that rank, its host, the step and the collective in which the others wait; that the job ends within the limit and five seconds; and
that no process is left. Needs root for `partition`, which lays out networks.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from hang_trials import FAULTS, Trial, make_data  # noqa: E402


def table(results):
    lines = ["| fault | as it should be | seconds from the fault to the end: median, largest | what was wrong |", "|---|---|---|---|"]
    for fault, trials in results.items():
        seconds = [trial["seconds"] for trial in trials]
        wrong = sorted({trial["wrong"] for trial in trials if trial["wrong"]})
        good = sum(not trial["wrong"] for trial in trials)
        lines.append(f"| {fault} | {good} of {len(trials)} | {statistics.median(seconds):.1f}, {max(seconds):.1f} | {'; '.join(wrong) or '-'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20, help="trials of each fault")
    parser.add_argument("--only", default=",".join(FAULTS), help="faults, joined by commas")
    parser.add_argument("--limit", type=int, default=10, help="train.hang_timeout")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the runs of trials that went wrong")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(FAULTS):
        parser.error(f"no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if "partition" in names and os.geteuid() != 0:
        parser.error("partition needs root; name the others with --only")
    place = pathlib.Path(tempfile.mkdtemp(prefix="valley-hangs-"))
    data = make_data(place)
    results = {}
    for name in names:
        results[name] = []
        for i in range(options.count):
            folder = place / f"{name}-{i:03}"
            folder.mkdir()
            trial = Trial(folder, data, options.limit, random.Random(f"{options.seed} {name} {i}"))
            result = trial.run(name)
            results[name].append(result)
            print(json.dumps({"fault": name, "trial": i, **result}), file=sys.stderr, flush=True)
            if not (result["wrong"] and options.keep):
                shutil.rmtree(folder)
    print(table(results))
    if not options.keep:
        shutil.rmtree(place)
    sys.exit(any(trial["wrong"] for trials in results.values() for trial in trials))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        main()
    finally:
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
