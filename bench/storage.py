"""Size and loading speed of shards of photo-like images with --storage raw and jpeg:Q, against the least work that loading
can take: libjpeg-turbo's decoder alone, and memcpy with CRC32C. All sides run on one thread, in alternating rounds. Prints
a Markdown table.

    cmake --build build --target decode_peer
    storage.py [--images 1024] [--side 256] [--quality 95] [--batch 64] [--rounds 5] [--repeats 3]

The images are smooth noise of several scales with edges and grain, 1.5 times as large as they are stored.
"""

import argparse
import json
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile

import h5py
import numpy
from alternate import BUILD, machine, ratios, run_alternating, run_json, table, version
from PIL import Image

PEER = BUILD / "tests" / "image" / "decode_peer"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--quality", type=int, default=95)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="passes per round")
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def photo(side, seed):
    draw = numpy.random.default_rng(seed)
    total = numpy.zeros((side, side, 3))
    for scale, weight in ((4, 90), (16, 50), (64, 20)):
        cells = Image.fromarray(draw.integers(0, 256, (scale, scale, 3), dtype=numpy.uint8))
        total += weight / 128 * (numpy.asarray(cells.resize((side, side), Image.Resampling.BICUBIC), dtype=float) - 128)
    for _ in range(6):
        top, left = draw.integers(0, side, 2)
        total[top : top + draw.integers(8, side // 2), left : left + draw.integers(8, side // 2)] += draw.normal(0, 30, 3)
    return Image.fromarray((total + 128 + draw.normal(0, 3, (side, side, 1))).clip(0, 255).astype(numpy.uint8))


def build(o, folder):
    source = folder / "in"
    source.mkdir()
    for i in range(o.images):
        photo(o.side * 3 // 2, i).save(source / f"{i:05}.jpg", quality=97)
    sets = {"raw": folder / "raw", f"jpeg:{o.quality}": folder / "jpeg"}
    for storage, to in sets.items():
        subprocess.run([o.valley, "shard", "build", "--source", source, "--dest", to, "--resolution", str(o.side), "--storage",
                        storage, "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
    return list(sets.values())


def write_records(data, to):
    with open(to, "wb") as file:
        for path in sorted(data.glob("shard-*.h5")):
            with h5py.File(path) as shard:
                records, offsets = shard["encoded/data"][:].tobytes(), shard["encoded/offsets"][:].tolist()
            for begin, end in zip(offsets, offsets[1:]):
                file.write(struct.pack("<I", end - begin) + records[begin:end])


def loaded(o, data, verify):
    return lambda: run_json([o.valley, "bench", "loader", data, "--batch", o.batch, "--batches", max(64, o.images // o.batch),
                             "--repeats", o.repeats, "--verify", verify, "--json"])


def rate(result):
    return result["images"] / statistics.median(result["seconds"])


def main():
    o = arguments()
    if not PEER.exists():
        sys.exit(f"{PEER} is missing: cmake --build {BUILD} --target decode_peer")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        raw, jpeg = build(o, folder)
        write_records(jpeg, folder / "records")
        shard = json.loads((raw / "manifest.json").read_text())["shards"][0]
        sides = {
            "jpeg, CRC32C compared": loaded(o, jpeg, "always"),
            "libjpeg-turbo alone": lambda: run_json([PEER, "jpeg", folder / "records", o.repeats]),
            "raw, CRC32C compared": loaded(o, raw, "always"),
            "raw, not compared": loaded(o, raw, "off"),
            "memcpy + CRC32C": lambda: run_json([PEER, "copy", raw / shard["file"], shard["data_offset"], o.side**2 * 3, shard["n"],
                                                 o.repeats]),
        }
        results = run_alternating(sides, o.rounds)
        rates = {name: [rate(result) for result in found] for name, found in results.items()}
        sizes = [sum(s["bytes"] for s in json.loads((data / "manifest.json").read_text())["shards"]) / o.images for data in (raw, jpeg)]
    peers = {"jpeg": "libjpeg-turbo alone", "raw": "memcpy + CRC32C"}
    rows = []
    for name, each in rates.items():
        peer = peers.get(name.split(",")[0])
        ratio = "{:.2f} ({:.2f} to {:.2f})".format(*ratios(rates[peer], each)) if peer else ""
        rows.append([name, f"{statistics.median(each):,.0f}", ratio])
    print(table(["side", "images/s", "of its peer (min to max)"], rows))
    print(f"\n{o.images} images of {o.side}x{o.side}: raw {sizes[0]:,.0f} bytes per image, jpeg:{o.quality} {sizes[1]:,.0f} "
          f"({sizes[0] / sizes[1]:.1f} times smaller). Batches of {o.batch}, {o.rounds} rounds. {machine()}; {version(o.valley)}")


if __name__ == "__main__":
    main()
