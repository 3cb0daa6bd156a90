"""Times `data.order` "global" against "window" on a cold page cache, in alternating rounds. Prints a Markdown table.

    cold_order.py --data DIR [--resolution 256] [--batch 64] [--batches 120] [--threads 1 4] [--rounds 3]

Each run removes the shards from the page cache and reads each image at most once. The column "from storage" is the number of
bytes that the kernel read per byte of the images: 1 if nothing came from the cache and no read-ahead was wasted. Without --data,
a data set of random images is built: --images 8192 of --resolution 256 (197 kB each).
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy
from alternate import BUILD, machine, ratios, run_alternating, run_json, table, version


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--images", type=int, default=8192)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=120)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def build_random(folder, o):
    """A data set of random images, from an array file that is written in pieces."""
    file = folder / "images.npy"
    array = numpy.lib.format.open_memmap(file, "w+", numpy.uint8, (o.images, o.resolution, o.resolution, 3))
    random = numpy.random.default_rng(0)
    for first in range(0, o.images, 256):
        array[first:first + 256] = random.integers(0, 256, array[first:first + 256].shape, numpy.uint8)
    del array
    data = folder / "data"
    subprocess.run([o.valley, "shard", "build", "--source", file, "--dest", data, "--resolution", str(o.resolution), "--progress", "none"],
                   check=True, stdout=subprocess.DEVNULL)
    file.unlink()
    return data


def sides_of(o, data, threads):
    def side(order):
        return lambda: run_json([o.valley, "bench", "loader", data, "--cold", "--order", order, "--batch", o.batch, "--batches", o.batches,
                                 "--repeats", 1, "--threads", threads, "--verify", "off", "--json"])
    return {order: side(order) for order in ("global", "window")}


def measure(o, data):
    rows = []
    for threads in o.threads:
        results = run_alternating(sides_of(o, data, threads), o.rounds)
        rates = {order: [result["images"] / result["seconds"][0] for result in found] for order, found in results.items()}
        for order, found in results.items():
            read = statistics.median(result["storage_bytes"] / (result["images"] * result["image_bytes"]) for result in found)
            ratio, low, high = ratios(rates["global"], rates[order])
            rows.append([order, str(threads), f"{statistics.median(rates[order]):,.0f}", f"{read:.2f}",
                         "1" if order == "global" else f"{ratio:.2f} ({low:.2f} to {high:.2f})"])
    return rows


def main():
    o = arguments()
    with tempfile.TemporaryDirectory(dir=o.data and o.data.parent) as folder:
        data = o.data or build_random(pathlib.Path(folder), o)
        rows = measure(o, data)
    print(f"{machine()}; {version(o.valley)}; batches of {o.batch}, {o.batches} per run\n")
    print(table(["data.order", "threads", "images/s", "from storage", "ratio to global"], rows))


if __name__ == "__main__":
    sys.exit(main())
