"""Times Valley's loader against PyTorch's DataLoader with h5py on the same shards in alternating rounds. Prints a Markdown table.

    loader.py [--data DIR ...] [--resolution 64 256] [--batch 64] [--workers 0 1] [--rounds 5] [--batches 300]

Without --data, shards of NotoColorEmoji are built for each resolution. Valley reads on one thread, with and without
verifying each image's CRC32C; the peer, which verifies nothing, in the process (no workers) or in one worker.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

from alternate import BUILD, REPOSITORY, build_emoji, run_alternating, machine, ratios, run_json, table, version


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--resolution", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3, help="passes per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def sides_of(o, data):
    count = ["--batch", o.batch, "--batches", o.batches, "--repeats", o.repeats]
    def ours(verify):
        return lambda: run_json([o.valley, "bench", "loader", data, *count, "--verify", verify, "--json"])

    def theirs(by, workers):
        words = [sys.executable, REPOSITORY / "bench" / "peer_loader.py", data, *count, "--by", by, "--workers", workers]
        return lambda: run_json(words)

    sides = {"valley, CRC32C compared": ours("always"), "valley, not compared": ours("off")}
    for by in ("image", "batch"):
        for workers in o.workers:
            sides[f"DataLoader + h5py, by {by}, {workers} worker{'' if workers == 1 else 's'}"] = theirs(by, workers)
    return sides


def rate(result):
    return result["images"] / statistics.median(result["seconds"])


def measure(o, data):
    results = run_alternating(sides_of(o, data), o.rounds)
    names = iter(results)
    checked = next(names)
    rates = {name: [rate(result) for result in found] for name, found in results.items()}
    rows = []
    for name, each in rates.items():
        ratio, low, high = ratios(each, rates[checked])
        rows.append([data.name, name, f"{statistics.median(each):,.0f}",
                     "1" if name == checked else f"{ratio:.2f} ({low:.2f} to {high:.2f})"])
    return rows, list(results.values())[-1][0]["versions"]


def main():
    o = arguments()
    rows, peer = [], ""
    with tempfile.TemporaryDirectory() as folder:
        for resolution in o.resolution if not o.data else []:
            data = pathlib.Path(folder) / f"emoji-{resolution}"
            build_emoji(o.valley, data, resolution)
            o.data = [*o.data, data]
        for data in o.data:
            found, peer = measure(o, data)
            rows += found
    print(table(["shards", "side", "images/s", "Valley with CRC32C / this (min to max)"], rows))
    print(f"\nBatches of {o.batch}, {o.rounds} rounds of {o.repeats} passes of {o.batches} batches. {machine()}; "
          f"{version(o.valley)}; {peer}")


if __name__ == "__main__":
    main()
