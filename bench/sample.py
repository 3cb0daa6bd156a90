#!/usr/bin/env python3
"""Samples per second of `valley sample --to DIR` against a PyTorch loop that draws the same model's samples and writes
them with Pillow (peer_sample.py): times of drawing, without start and loading, in alternating rounds.

    python bench/sample.py RUN... [--count 2000] [--rounds 3]
"""

import argparse
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

from alternate import BUILD, REPOSITORY, launcher, machine, ratios, run_alternating, run_json, table, version

SETTINGS = [(1, 1), (1, 2), (2, 1)]  # ranks, threads per rank


def sides(run, folder, ranks, threads, count):
    environment = {"OMP_NUM_THREADS": str(threads)}
    words = list(map(str, launcher(ranks))) if ranks > 1 else []

    def valley():
        shutil.rmtree(folder, ignore_errors=True)
        return run_json([*words, BUILD / "valley", "sample", run, "--to", folder, "--count", count, "--device", "cpu", "--json"], environment)

    def peer():
        shutil.rmtree(folder, ignore_errors=True)
        return run_json([*words, sys.executable, REPOSITORY / "bench" / "peer_sample.py", run, folder, "--count", count, "--threads", threads], environment)

    return {"valley": valley, "PyTorch": peer}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=pathlib.Path, nargs="+")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for run in options.runs:
            for ranks, threads in SETTINGS:
                if ranks * threads > (os.cpu_count() or 1):
                    continue
                results = run_alternating(sides(run, pathlib.Path(folder) / "drawn", ranks, threads, options.count), options.rounds)
                rates = {name: [result["samples_per_second"] for result in each] for name, each in results.items()}
                middle, low, high = ratios(rates["PyTorch"], rates["valley"])
                rows.append(
                    [
                        run.name,
                        f"{ranks} x {threads}",
                        *(f"{statistics.median(rates[name]):,.0f}" for name in ("valley", "PyTorch")),
                        f"{middle:.2f} ({low:.2f} to {high:.2f})",
                    ]
                )
    print(f"{version(BUILD / 'valley')}; {machine()}; {options.count} samples, {options.rounds} rounds\n")
    print(table(["run", "ranks x threads", "valley, samples/s", "PyTorch, samples/s", "valley / PyTorch"], rows))


if __name__ == "__main__":
    main()
