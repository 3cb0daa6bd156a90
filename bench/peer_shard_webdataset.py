"""Python counterpart of `valley shard build` for webdataset tars: the webdataset package reads, Pillow decodes, crops and
resizes in PyTorch's loader processes, h5py writes one file.

Usage: peer_shard_webdataset.py "TARS-{000..003}.tar" OUT.h5 SIDE PROCESSES IMAGES
"""

import io
import sys

import h5py
import numpy as np
import webdataset
from PIL import Image


def resize_to(side):
    def resized(sample):
        image = Image.open(io.BytesIO(sample["jpg"])).convert("RGB")
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        image = image.crop((left, top, left + short, top + short))
        return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))

    return resized


def main():
    tars, out, side, processes, images = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    data = webdataset.WebDataset(tars, shardshuffle=False).map(resize_to(side))
    loader = data if processes == 1 else webdataset.WebLoader(data, num_workers=processes, batch_size=None)
    with h5py.File(out, "w") as file:
        stored = file.create_dataset("images", (images, side, side, 3), np.uint8)
        row = 0
        for image in loader:
            stored[row] = image
            row += 1
    assert row == images


if __name__ == "__main__":
    main()
