#!/usr/bin/env python3
"""Measures how well the energy of each model separates test digits from emoji and from letters of fonts: the table of
docs/results-energies.md, section "Detection".

    detection.py [--only NAME ...] [--runs runs/detection] [--valley build/valley] [--table]

Trains each configuration on the 4,000 training digits of data/mnist-train-28, on one core, and measures AUROC by
`valley energy` on the 1,000 test digits against: letters (data/letters-28, white on black as the digits are), emoji
(data/emoji-28, gray on white) and the same emoji inverted (on black, so that the background does not separate them).
Existing results are not measured again; --table trains nothing. Data: datasets/README.md.
"""

import argparse
import json
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
TRAINING, TEST = "data/mnist-train-28", "data/mnist-test-28"
CONFIGS = {
    "BEGAN": "mnist-began",
    "EBGAN": "mnist-ebgan",
    "EBGAN-PT": "mnist-ebgan-pt",
    "MAGAN": "mnist-magan",
    "EBM": "mnist-ebm",
    "RBM": "rbm-mnist",
    "DBN": "dbn-mnist",
}
AGAINST = {"letters": "data/letters-28", "emoji": "data/emoji-28", "emoji inverted": "data/emoji-28-inverted"}


def run(command, log=None):
    result = subprocess.run(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
    if result.returncode != 0:
        sys.exit(f"detection.py: exit {result.returncode} of {' '.join(map(str, command))}")
    return result.stdout


def make_inverted(valley):
    """data/emoji-28-inverted from data/emoji-28, unless it is there."""
    import h5py
    from PIL import Image

    if (REPOSITORY / AGAINST["emoji inverted"] / "SHA256SUMS").exists():
        return
    folder = REPOSITORY / "data" / "emoji-28-inverted-png"
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for shard in sorted((REPOSITORY / AGAINST["emoji"]).glob("*.h5")):
        with h5py.File(shard) as file:
            for image in file["images"][:]:
                Image.fromarray(255 - image.reshape(28, 28)).save(folder / f"{count:05}.png")
                count += 1
    run([valley, "shard", "build", "--source", folder, "--dest", AGAINST["emoji inverted"], "--resolution", 28,
         "--channels", "gray", "--overwrite"])


def only_run(folder):
    runs = sorted(path for path in folder.glob("[0-9]*-*") if path.is_dir())
    if len(runs) != 1:
        sys.exit(f"detection.py: {folder} holds {len(runs)} runs, but one is expected: remove the folder to start again")
    return runs[0]


def measure(name, folder, valley):
    """Trains and measures unless that was done; returns the results by the other set."""
    record = folder / "auroc.json"
    if record.exists():
        return json.loads(record.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "messages.txt", "a") as log:
        if not any(folder.glob("[0-9]*-*")):
            run([valley, "train", f"configs/{CONFIGS[name]}.toml", f"data.path={TRAINING}", "train.threads=1",
                 "--out", folder], log)
        found = {}
        for against, data in AGAINST.items():
            output = run([valley, "energy", only_run(folder), "--data", TEST, "--against", data, "--json"], log)
            found[against] = json.loads(output)["detection"]
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def cell(found):
    return f"{found['auroc']:.3f} ({found['auroc_low']:.3f}-{found['auroc_high']:.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CONFIGS, default=list(CONFIGS), metavar="NAME")
    parser.add_argument("--runs", type=pathlib.Path, default=REPOSITORY / "runs" / "detection")
    parser.add_argument("--valley", type=pathlib.Path, default=REPOSITORY / "build" / "valley")
    parser.add_argument("--table", action="store_true", help="only print existing results")
    arguments = parser.parse_args()
    if not arguments.table:
        make_inverted(arguments.valley)
    print("| model | " + " | ".join(AGAINST) + " |\n|---|" + "---|" * len(AGAINST))
    for name in arguments.only:
        folder = arguments.runs / CONFIGS[name]
        if arguments.table and not (folder / "auroc.json").exists():
            continue
        found = measure(name, folder, arguments.valley)
        print(f"| {name} | " + " | ".join(cell(found[against]) for against in AGAINST) + " |", flush=True)


if __name__ == "__main__":
    main()
