"""Damages each file of runs and data sets: is every changed byte rejected or harmless, without a crash, in 2 s and 512 MB?

    tests/chaos/bitflips.py                                        # 10,000 damages and every truncation, some minutes
    tests/chaos/bitflips.py --driver build-cpu-asan/tests/chaos/damaged_files --programs 0     # the same under sanitizers

Most damages are read in one process (damaged_files), which calls what the commands call; --programs of them go through the program itself.
Times are CPU seconds, so that other work of the machine does not count: of a reader in one process, or of a command beyond those of the
same command without damage.
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from damage_trials import DRIVER, Commands, make_files, run_driver  # noqa: E402

VERDICTS = ("rejected", "harmless", "shown", "silent", "failed")


def print_kinds(kinds):
    print("| file | damages | rejected | harmless | shown as text | silent | failed | CPU seconds, MiB: largest |\n" + "|---" * 8 + "|")
    for kind in [*kinds, total(kinds)]:
        counts = [kind[verdict] for verdict in VERDICTS]
        print(f"| {kind['kind']} | {sum(counts)} | " + " | ".join(map(str, counts)) + f" | {kind['seconds']:.2f}, {kind['mebibytes']:.0f} |")


def total(kinds):
    sums = {verdict: sum(kind[verdict] for kind in kinds) for verdict in VERDICTS}
    return {"kind": "all", **sums, **{name: max(kind[name] for kind in kinds) for name in ("seconds", "mebibytes")}}


def run_programs(place, files, count, chance):
    """Failures of the commands of the program, and a line of Markdown."""
    commands = Commands(place, files)
    by_kind = collections.defaultdict(list)
    for file in sorted(files.rglob("*")):
        relative = file.relative_to(files)
        if file.is_file() and file.stat().st_size and relative.parts[0] in ("runs", "data") and file.name not in (".lock", "report.html"):
            by_kind[(relative.parts[0], file.name.split("-")[0].split(".")[0], file.suffix)].append(relative)
    verdicts, failures, seconds, memory = collections.Counter(), [], 0, 0
    for i in range(count):
        kind = sorted(by_kind)[i % len(by_kind)]
        relative = chance.choice(by_kind[kind])
        name, damage, verdict, text, cost = commands.trial(relative, chance)
        verdicts[verdict] += 1
        seconds, memory = max(seconds, cost.seconds), max(memory, cost.memory)
        line = {"trial": i, "file": str(relative), "command": name, "damage": damage, "verdict": verdict, "text": text}
        print(json.dumps(line), file=sys.stderr, flush=True)
        if verdict in ("silent", "failed"):
            failures.append(line)
    counts = " | ".join(str(verdicts[verdict]) for verdict in VERDICTS)
    return failures, f"| the program | {count} | {counts} | {seconds:.2f}, {memory / 2**20:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="random damages in one process")
    parser.add_argument("--programs", type=int, default=300, help="random damages that the program reads")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-truncations", action="store_true")
    parser.add_argument("--driver", type=pathlib.Path, default=DRIVER)
    parser.add_argument("--keep", type=pathlib.Path, help="keep the log of the driver here")
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="valley-damage-", dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None))
    files = place / "pristine"
    files.mkdir()
    make_files(files)
    kinds, failures = run_driver(files, options.count, options.seed, truncate=not options.no_truncations, driver=options.driver, log=options.keep)
    if kinds:
        print_kinds(kinds)
    if options.programs:
        more, line = run_programs(place, files, options.programs, random.Random(options.seed))
        failures += more
        print(line)
    for failure in failures:
        print(json.dumps(failure))
    shutil.rmtree(place)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
