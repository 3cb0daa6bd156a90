#!/usr/bin/env python3
"""Counts of calls and bytes in which two trainings on the fake device differ.

    tests/fake_cuda/count_calls.py CONFIG KEY=VALUE ... --first train.steps=10 --second train.steps=20 --per 10

prints the counts of rank 0 in the second training less those in the first, divided by --per: here, of one step.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("VALLEY_BUILD", HERE.parents[1] / "build"))
# Only the last step writes a checkpoint and samples; only the first one is reported.
QUIET = ("train.device=cuda", "checkpoint.every=1000000", "samples.every=1000000", "evaluate.every=0", "train.report_every=1000000")


def count(config, keys, ranks):
    """{"calls": {what: times}, "work": {what: [times, bytes]}} of rank 0."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
        command = [*launcher, HERE / "run", str(ranks), BUILD / "valley", "train", config, *QUIET, *keys, "--out", f"{folder}/runs"]
        environment = {**os.environ, "VALLEY_FAKE_COUNTS": f"{folder}/counts", "VALLEY_FAKE_SEED": "0", "VALLEY_BUILD": str(BUILD),
                       "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        result = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            raise SystemExit(f"count_calls: training ended with exit code {result.returncode}:\n{result.stderr}")
        return json.loads(pathlib.Path(f"{folder}/counts.0").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("keys", nargs="*", help="keys of both trainings")
    parser.add_argument("--first", nargs="+", required=True, help="keys of the first training")
    parser.add_argument("--second", nargs="+", required=True, help="keys of the second training")
    parser.add_argument("--per", type=int, default=1, help="divisor of the differences")
    parser.add_argument("--ranks", type=int, default=1)
    options = parser.parse_intermixed_args()
    first, second = (count(options.config, [*options.keys, *more], options.ranks) for more in (options.first, options.second))
    for what in sorted(first["calls"].keys() | second["calls"].keys()):
        times = second["calls"].get(what, 0) - first["calls"].get(what, 0)
        print(f"host: {what:24} {times / options.per:12.1f} calls")
    for what in sorted(first["work"].keys() | second["work"].keys()):
        times, size = (b - a for a, b in zip(first["work"].get(what, (0, 0)), second["work"].get(what, (0, 0))))
        print(f"device: {what:22} {times / options.per:12.1f} times {size / options.per:14.0f} bytes")


if __name__ == "__main__":
    main()
