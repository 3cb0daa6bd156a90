"""Common parts of the benchmarks against peers: runs programs in alternating rounds and formats tables of the results."""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build"))
# Environment that the scripts of launch/ set; the ranks of the peer get the same.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "OMPI_ALLOW_RUN_AS_ROOT": "1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def run_json(command, environment=None):
    """Runs a command whose last line of output is JSON; returns the object."""
    result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, **ENVIRONMENT, **(environment or {})}, check=False)
    if result.returncode != 0:
        sys.exit(f"exit {result.returncode} of {' '.join(map(str, command))}\n{result.stderr[-4000:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def launcher(ranks, threads=1, bind=False):
    """mpirun and its options for ranks on this machine, bound to cores if `bind`."""
    binding = ["--map-by", f"slot:PE={threads}", "--bind-to", "core"] if bind else ["--bind-to", "none", "--oversubscribe"]
    return ["mpirun", *binding, "-n", ranks]


def run_alternating(sides, rounds):
    """`sides`: name -> function without arguments. Calls each once per round; returns name -> results by round."""
    results = {name: [] for name in sides}
    for turn in range(rounds):
        # The order alternates, so that other load on the machine affects all sides alike.
        for name in sides if turn % 2 == 0 else reversed(sides):
            results[name].append(sides[name]())
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
    return results


def build_emoji(valley, folder, resolution):
    """Builds shards of NotoColorEmoji."""
    subprocess.run([valley, "shard", "build", "--source", "NotoColorEmoji.ttf", "--dest", folder, "--resolution",
                    str(resolution), "--progress", "none"], check=True, stdout=subprocess.DEVNULL)


def ratios(ours, theirs):
    """(median, min, max) of theirs / ours over the rounds."""
    each = [their / our for our, their in zip(ours, theirs)]
    return statistics.median(each), min(each), max(each)


def table(columns, rows):
    return "\n".join(["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|",
                      *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def machine():
    """Describes CPU, cores, current load and GPUs."""
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    text = f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    try:
        names = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return text
    return text + "; " + "; ".join(names.split("\n")).strip("; ")


def version(valley):
    return subprocess.run([valley, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
