"""Measures the stall of training per checkpoint, written in the background or synchronously, and of PyTorch saving the same
tensors, in alternating rounds; prints a Markdown table.

    checkpoint.py [--data DIR] [--config FILE] [--ranks 2] [--saves 6] [--every 3] [--rounds 3] [KEY=VALUE ...]

Without --data, shards of NotoColorEmoji are built in the config's resolution. Everything is written under --folder (default:
a temporary folder), so its disk is measured.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib

from alternate import BUILD, ENVIRONMENT, REPOSITORY, build_emoji, run_alternating, launcher, machine, ratios, run_json, table, version


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", default=["model.width=32"])
    parser.add_argument("--data", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--config", type=pathlib.Path, default=REPOSITORY / "configs" / "began-64.toml")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--saves", type=int, default=6, help="number of checkpoints per run")
    parser.add_argument("--every", type=int, default=3, help="steps between checkpoints")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def train(o, data, out, background):
    """Seconds per checkpoint that training paused, from the log."""
    command = [*launcher(o.ranks), o.valley, "train", o.config, f"data.path={data}", "--out", out, *o.settings,
               f"train.steps={o.every * o.saves + 1}", f"checkpoint.every={o.every}", f"checkpoint.background={background}"]
    result = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, **ENVIRONMENT}, check=False)
    found = re.search(rf"{o.saves} checkpoints? between steps, for which training paused ([\d.]+) ms", result.stderr)
    if result.returncode != 0 or not found:
        sys.exit(f"exit {result.returncode} of {' '.join(map(str, command))}\n{result.stderr[-4000:]}")
    return {"seconds": [float(found[1]) / 1000]}


def newest_checkpoint(out):
    return max(out.glob("*/checkpoints/step-*"), key=lambda path: path.stat().st_mtime)


def measure(o, folder):
    data = o.data or folder / "data"
    if not o.data:
        resolution = tomllib.loads(o.config.read_text())["model"]["resolution"]
        build_emoji(o.valley, data, resolution)
    train(o, data, folder / "first", "true")
    example = newest_checkpoint(folder / "first")

    def peer(way):
        words = [sys.executable, REPOSITORY / "bench" / "peer_checkpoint.py", example, folder, "--way", way, "--times", o.saves]
        return lambda: run_json(words)

    return run_alternating({
        "valley, synchronous": lambda: train(o, data, folder / "runs", "false"),
        "valley, in the background": lambda: train(o, data, folder / "runs", "true"),
        "torch.save and fsync": peer("save"),
        "torch.distributed.checkpoint.async_save": peer("async"),
    }, o.rounds)


def main():
    o = arguments()
    with tempfile.TemporaryDirectory(dir=o.folder) as folder:
        results = measure(o, pathlib.Path(folder))
    seconds = {name: [statistics.median(result["seconds"]) for result in found] for name, found in results.items()}
    waiting = next(iter(seconds.values()))
    rows = []
    for name, each in seconds.items():
        ratio, low, high = ratios(waiting, each)
        rows.append([name, f"{1000 * statistics.median(each):.1f}", f"{100 * ratio:.1f} % ({100 * low:.1f} to {100 * high:.1f})"])
    peer = list(results.values())[-1][-1]
    print(table(["side", "ms per checkpoint", "share of a synchronous write (min to max)"], rows))
    print(f"\n{o.config.name} {' '.join(o.settings)}, {o.ranks} ranks, {peer['bytes'] / 2**20:.1f} MiB; {o.rounds} rounds of {o.saves} "
          f"checkpoints. {machine()}; {version(o.valley)}; {peer['versions']}")


if __name__ == "__main__":
    main()
