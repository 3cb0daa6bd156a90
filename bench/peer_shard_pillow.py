"""Python counterpart of `valley shard build` for a folder: Pillow decodes, crops and resizes on
as many processes, h5py writes the shard. The measure that the program is held against (bench/RESULTS.md).

Usage: peer_shard_pillow.py FOLDER OUT.h5 SIDE PROCESSES
       peer_shard_pillow.py --decode FOLDER      images per second that Pillow decodes in one process, without resizing

Needs Pillow and NumPy, and h5py for the first form.
"""

import multiprocessing
import pathlib
import sys
import time

import numpy as np
from PIL import Image


def decode(path):
    return np.asarray(Image.open(path).convert("RGB"))


def resized(task):
    path, side = task
    image = Image.open(path).convert("RGB")
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    image = image.crop((left, top, left + short, top + short))
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def build(folder, out, side, processes):
    import h5py

    tasks = [(path, side) for path in sorted(folder.rglob("*.jpg"))]
    with h5py.File(out, "w") as file:
        images = file.create_dataset("images", (len(tasks), side, side, 3), np.uint8)
        if processes == 1:
            for row, image in enumerate(map(resized, tasks)):
                images[row] = image
        else:
            with multiprocessing.Pool(processes) as pool:
                for row, image in enumerate(pool.imap(resized, tasks, chunksize=8)):
                    images[row] = image
        file.create_dataset("names", data=[str(path.relative_to(folder)) for path, _ in tasks])
    return len(tasks)


def main():
    began = time.monotonic()
    if sys.argv[1] == "--decode":
        images = sum(1 for path in sorted(pathlib.Path(sys.argv[2]).rglob("*.jpg")) if decode(path) is not None)
    else:
        images = build(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    print(f"{images / (time.monotonic() - began):.1f} images/s")


if __name__ == "__main__":
    main()
