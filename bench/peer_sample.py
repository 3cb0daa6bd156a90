"""PyTorch's side of bench/sample.py: draws samples of a model of Valley in batches and writes each as a PNG with Pillow, as
scripts for FID do. Prints one JSON line. Under mpirun, each rank draws a share.

    peer_sample.py MODEL FOLDER [--count 2000] [--batch 32] [--threads 1]
"""

import argparse
import json
import os
import pathlib
import sys
import time

import torch
from PIL import Image

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "examples"))
from load_in_pytorch import load, to_pixels  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rank, ranks = (int(os.environ.get(f"OMPI_COMM_WORLD_{name}", default)) for name, default in (("RANK", 0), ("SIZE", 1)))
    networks, model = load(options.model)
    options.folder.mkdir(parents=True, exist_ok=True)
    draw = torch.randn if model["latent_distribution"] == "normal" else lambda *shape: torch.rand(*shape) * 2 - 1
    begin, end = options.count * rank // ranks, options.count * (rank + 1) // ranks
    began = time.perf_counter()
    with torch.inference_mode():
        for first in range(begin, end, options.batch):
            n = min(options.batch, end - first)
            pixels = to_pixels(networks["generator"](draw(n, model["latent"])), model).numpy()
            for i, image in enumerate(pixels):
                Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(options.folder / f"{first + i:08}.png")
    if rank == 0:
        seconds = time.perf_counter() - began
        print(json.dumps({"samples_per_second": options.count / seconds, "seconds": seconds}))


if __name__ == "__main__":
    main()
