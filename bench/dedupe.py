"""Measures `valley shard dedupe` on emoji with planted copies: recall, false pairs, time; and phash of the package imagehash on
the same images.

A pair is false if its images come from different glyphs whose images, at the tested size and averaged over 5 x 5 pixels, differ
somewhere by more than 16 of 255 in a channel. Pairs of different glyphs that differ less are counted as lookalikes.

Usage: dedupe.py [--images 0] [--copies 1000] [--side 64] [--seed 0] [--speed 50000] [--valley build/valley]

--images 0 takes all glyphs of NotoColorEmoji.ttf. --speed N times N smooth random images of 64 x 64 pixels. Needs NumPy,
Pillow, h5py and imagehash.
"""

import argparse
import io
import json
import pathlib
import random
import subprocess
import tempfile
import time

import h5py
import imagehash
import numpy as np
from PIL import Image

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
KINDS = ("rescaled", "recompressed", "cropped")
VISIBLE = 16


def run(valley, *arguments):
    result = subprocess.run([valley, "shard", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def planted(image, kind, rng):
    if kind == "rescaled":
        side = round(image.width * rng.uniform(0.5, 0.9))
        return image.resize((side, side), rng.choice([Image.Resampling.BILINEAR, Image.Resampling.LANCZOS, Image.Resampling.BOX]))
    if kind == "recompressed":
        data = io.BytesIO()
        image.save(data, "JPEG", quality=rng.randint(50, 95))
        return Image.open(data).convert("RGB")
    width, height = image.size
    left, top = rng.uniform(0, 0.02) * width, rng.uniform(0, 0.02) * height
    box = (left, top, left + 0.98 * width, top + 0.98 * height)
    return image.resize(image.size, Image.Resampling.BICUBIC, box)


def plant(originals, folder, copies, seed):
    """Writes originals and copies; returns {name: name of the original} of the copies, by kind."""
    rng = random.Random(seed)
    (folder / "copy").mkdir(parents=True)
    origin = {}
    for path in originals:
        Image.open(path).convert("RGB").save(folder / path.name)
    for number, path in enumerate(rng.sample(originals, min(copies, len(originals)))):
        kind = KINDS[number % len(KINDS)]
        name = f"copy/{kind}-{path.name}"
        planted(Image.open(path).convert("RGB"), kind, rng).save(folder / name)
        origin[name] = path.name
    return origin


def blurred(pixels):
    """Mean over 5 x 5 pixels."""
    sums = np.cumsum(np.cumsum(np.pad(pixels.astype(np.float64), ((3, 2), (3, 2), (0, 0)), "edge"), 0), 1)
    return (sums[5:, 5:] - sums[:-5, 5:] - sums[5:, :-5] + sums[:-5, :-5]) / 25


def load(shards):
    with h5py.File(shards / "index.h5") as index:
        return dict(zip(index["names"].asstr()[:].tolist(), index["images"][:], strict=True))


def judge(pairs, origin, images):
    """Recall per kind, lookalikes and false pairs."""
    found, lookalikes, false = set(), 0, []
    for a, b in pairs:
        roots = {origin.get(a, a), origin.get(b, b)}
        if len(roots) == 1:
            found |= {a, b} & origin.keys()
            continue
        one, other = (blurred(images[root]) for root in roots)
        if np.abs(one - other).max() > VISIBLE:
            false.append((a, b))
        else:
            lookalikes += 1
            found |= {a, b} & origin.keys()  # of a glyph that looks like its original
    return found, lookalikes, false


def report(title, pairs, origin, images, seconds):
    found, lookalikes, false = judge(pairs, origin, images)
    kinds = ", ".join(f"{kind} {sum(name in found for name in names)}/{len(names)}" for kind in KINDS
                      for names in [[name for name in origin if name.startswith(f"copy/{kind}")]])
    print(f"{title}: recall {100 * len(found) / len(origin):.2f} % ({kinds}), {len(pairs)} pairs, {lookalikes} lookalikes, "
          f"{len(false)} false ({100 * len(false) / len(images):.3f} % of {len(images)} images), {seconds:.1f} s")
    return false


def valley_pairs(text):
    result = json.loads(text)
    return [(group["kept"]["name"], copy["name"]) for group in result["groups"] for copy in group["copies"]], result["seconds"]


def phash_pairs(images, limit):
    began = time.monotonic()
    names = list(images)
    bits = np.array([imagehash.phash(Image.fromarray(images[name])).hash.ravel() for name in names], np.int16)
    ones = bits.sum(1)
    distances = ones[:, None] + ones[None, :] - 2 * (bits.astype(np.float32) @ bits.T.astype(np.float32))
    rows, columns = np.nonzero(np.triu(distances <= limit, 1))
    return [(names[i], names[j]) for i, j in zip(rows, columns, strict=True)], time.monotonic() - began


def time_many(options, folder):
    rng = np.random.default_rng(options.seed)
    coarse = rng.integers(0, 256, (options.speed, 8, 8, 3), dtype=np.uint8)
    pixels = np.stack([np.asarray(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC)) for one in coarse])
    np.savez(folder / "many.npz", images=pixels)
    run(options.valley, "build", "--source", folder / "many.npz", "--dest", folder / "many", "--resolution", 64, "--progress", "none")
    result = json.loads(run(options.valley, "dedupe", folder / "many", "--json"))
    print(f"{options.speed} images of 64x64: {result['seconds']:.1f} s, {result['candidates']} candidates, {result['near']} near copies")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--copies", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", type=int, default=50000)
    parser.add_argument("--valley", default=REPOSITORY / "build" / "valley")
    parser.add_argument("--keep", type=pathlib.Path, help="work in this folder and keep it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        limit = ["--max-images", options.images] if options.images else []
        run(options.valley, "build", "--source", "NotoColorEmoji.ttf", "--dest", folder / "font", "--resolution", 128, *limit,
            "--progress", "none")
        run(options.valley, "export", folder / "font", "--to", "folder", "--dest", folder / "png")
        origin = plant(sorted((folder / "png").glob("*.png")), folder / "planted", options.copies, options.seed)
        run(options.valley, "build", "--source", folder / "planted", "--labels", "none", "--dest", folder / "shards", "--resolution",
            options.side, "--progress", "none")
        images = load(folder / "shards")
        pairs, seconds = valley_pairs(run(options.valley, "dedupe", folder / "shards", "--json"))
        for a, b in report("valley", pairs, origin, images, seconds)[:20]:
            print(f"  false: {a} {b}")
        for limit in (4, 8):
            pairs, seconds = phash_pairs(images, limit)
            report(f"imagehash.phash, distance <= {limit}", pairs, origin, images, seconds)
        if options.speed:
            time_many(options, folder)


if __name__ == "__main__":
    main()
