#!/usr/bin/env python3
"""Makes the tables and images of docs/results.md: trains runs of configs/, one after the other, each on one core,
compares samples with the data and with the untrained networks, and prints a Markdown table.

    results.py [--long] [--only NAME ...] [--minutes M] [--runs runs/results] [--images docs/images]
               [--valley build/valley] [--table] [--traces]

Without --long the short runs of minutes, with it those of about an hour at 64x64. A run that was interrupted, or
stopped by --minutes, continues with the next call. Existing results are not measured again: each run writes NAME.json
next to its run directory. --table trains nothing. Data: datasets/README.md.
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
MODELS = ["began", "ebgan", "ebgan-pt", "magan", "ebm"]
NAMES = [f"{data}-{model}" for data in ("mnist", "emoji32") for model in MODELS]
LONG = [f"{data}-{model}" for data in ("emoji64",) for model in MODELS if model != "ebm"]
DATA = {"mnist": "data/mnist-28", "emoji32": "data/emoji-32", "emoji64": "data/emoji-64"}
GRIDS = {"emoji64": "6x6"}
COUNTS = {"ebm": 500}  # samples, where the default would take too long: a chain needs hundreds of passes
PASSES = {"swd": 0.5, "distance_ratio": 0.4}  # at most this share of the untrained SWD; at least this ratio


def run(command, log=None):
    """Runs a command; returns its output."""
    result = subprocess.run(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
    if result.returncode != 0:
        sys.exit(f"results.py: exit {result.returncode} of {' '.join(map(str, command))}")
    return result.stdout


def run_timed(command, log, limit_s=None):
    """Runs a command, which gets SIGTERM after limit_s; returns its exit code, wall time and processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=log)
    try:
        process.wait(limit_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.send_signal(signal.SIGTERM)
        process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return process.returncode, time.monotonic() - began, used


def only_run(folder):
    runs = sorted(path for path in folder.glob("[0-9]*-*") if path.is_dir())
    if len(runs) != 1:
        sys.exit(f"results.py: {folder} holds {len(runs)} runs, but one is expected: remove the folder to start again")
    return runs[0]


def last_line(path):
    """The last line of stats.jsonl that reports a step."""
    lines = [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
    return [line for line in lines if "event" not in line][-1]


def train(name, folder, options, log):
    """Trains NAME into `folder`, or continues it, unless that was done; returns wall and processor time in seconds of
    all launches."""
    record = folder / "seconds.json"
    spent = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {"wall_s": 0, "processor_s": 0}
    if spent.get("complete", record.exists()):
        return spent
    command = [options.valley, "train", f"configs/{name}.toml", "train.threads=1", "--out", folder, "--resume", "auto"]
    code, wall, used = run_timed(command, log, options.minutes * 60 if options.minutes else None)
    spent = {"wall_s": spent["wall_s"] + wall, "processor_s": spent["processor_s"] + used, "complete": code == 0}
    record.write_text(json.dumps(spent) + "\n", encoding="utf-8")
    if code != 0:
        sys.exit(f"results.py: {name} ended with exit code {code}: see {folder}/messages.txt; if it was stopped, repeat this command")
    return spent


def traces(path, lines=8):
    """Energies of a run's report lines, about evenly over its steps, as a Markdown table."""
    reports = [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
    reports = [line for line in reports if "event" not in line and "energy/fake" in line]
    chosen = [reports[(i + 1) * len(reports) // lines - 1] for i in range(lines)]
    columns = ["step", "energy/real", "energy/fake", "margin", "hinge/active", "energy/fake/q05", "energy/fake/q95"]
    rows = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for line in chosen:
        rows.append("| " + " | ".join(f"{line[column]:,.4g}" if column in line else "" for column in columns) + " |")
    return "\n".join(rows)


def measure(name, options):
    """Trains and measures NAME; returns the content of NAME.json."""
    source, model = name.split("-", 1)
    folder, data = options.runs / name, DATA[source]
    count = ["--count", COUNTS[model]] if model in COUNTS else []
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "messages.txt", "a", encoding="utf-8") as log:
        seconds = train(name, folder, options, log)
        trained, found = only_run(folder), {}
        for weights, extra in (("trained", []), ("untrained", ["--untrained"])):
            found[weights] = json.loads(run([options.valley, "evaluate", trained, "--data", data, "--json", *count, *extra], log))
        grid = options.images / f"results-{name}.png"
        shape = GRIDS.get(source, "7x7")
        seeds = f"0-{int(shape[0]) ** 2 - 1}"
        run([options.valley, "sample", trained, "--seeds", seeds, "--grid", shape, "-o", grid], log)
    last = last_line(trained)
    return {"steps": last["step"], "images": last["images"], **seconds, "compared": found["trained"]["data"]["compared"],
            **{weights: found[weights]["metrics"] for weights in found}}


def row(name, found):
    trained, untrained = found["trained"], found["untrained"]
    share = trained["swd"]["value"] / untrained["swd"]["value"]
    ratio = trained["distance_ratio"]["value"]
    passed = share <= PASSES["swd"] and ratio >= PASSES["distance_ratio"]

    def with_floor(metric, decimals=2):
        return f"{trained[metric]['value']:.{decimals}f} ({trained[metric]['floor']:.{decimals}f})"

    cells = [f"`{name}`", f"{found['steps']:,}", f"{found['images'] / 1000:.0f}", f"{found['processor_s'] / 60:.1f}",
             f"{untrained['swd']['value']:.0f}", with_floor("swd", 0), f"{share:.2f}",
             f"{ratio:.2f} ({untrained['distance_ratio']['value']:.2f})", with_floor("ms_ssim"), with_floor("density"),
             with_floor("coverage"), "yes" if passed else "**no**"]
    return "| " + " | ".join(cells) + " |"


COLUMNS = ["config", "steps", "kimg", "core minutes", "SWD untrained", "SWD (floor)", "share of untrained",
           "distance ratio (untrained)", "MS-SSIM (data)", "density (floor)", "coverage (floor)", "criteria met"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES + LONG, metavar="NAME", help=", ".join(NAMES + LONG))
    parser.add_argument("--long", action="store_true", help="the runs at 64x64")
    parser.add_argument("--minutes", type=float, help="stop a training after this time; the next call continues it")
    parser.add_argument("--runs", type=pathlib.Path, default=REPOSITORY / "runs" / "results")
    parser.add_argument("--images", type=pathlib.Path, default=REPOSITORY / "docs" / "images")
    parser.add_argument("--valley", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build")) / "valley")
    parser.add_argument("--table", action="store_true", help="only print existing results")
    parser.add_argument("--traces", action="store_true", help="also print the energies over the steps of each run")
    options = parser.parse_args()
    options.runs, options.images = options.runs.resolve(), options.images.resolve()
    options.only = options.only or (LONG if options.long else NAMES)
    rows = []
    for name in options.only:
        file = options.runs / f"{name}.json"
        if not file.exists() and not options.table:
            file.parent.mkdir(parents=True, exist_ok=True)
            found = measure(name, options)
            file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(row(name, found), file=sys.stderr, flush=True)
        if file.exists():
            rows.append(row(name, json.loads(file.read_text(encoding="utf-8"))))
    print("| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|", *rows, sep="\n")
    for name in options.only if options.traces else []:
        if (options.runs / f"{name}.json").exists():
            print(f"\n`{name}`\n", traces(only_run(options.runs / name)), sep="\n")


if __name__ == "__main__":
    main()
