"""PyTorch's side of bench/loader.py: a DataLoader over h5py on the same shards, in a random order, giving uint8 batches
[B, H, W, C] as Valley's loader does. Prints one JSON line.

    peer_loader.py DIR [--batch 64] [--workers 1] [--batches 500] [--repeats 5] [--by image|batch]

--by image: an item is an image, and DataLoader's collation stacks a batch; --by batch: a batch is read with one sorted
selection per shard, the fastest way in h5py. --workers 0: in the process itself.
"""

import argparse
import json
import pathlib
import time

import h5py
import numpy
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class Shards(Dataset):
    def __init__(self, folder, by):
        manifest = json.loads((folder / "manifest.json").read_text())
        self.files = [folder / shard["file"] for shard in manifest["shards"]]
        self.starts = numpy.array([shard["global_offset"] for shard in manifest["shards"]])
        self.size, self.by, self.opened = manifest["images"], by, None

    def __len__(self):
        return self.size

    def shards(self):
        """Opened in each worker, because an HDF5 file does not survive a fork."""
        if self.opened is None:
            self.opened = [h5py.File(file, "r")["images"] for file in self.files]
        return self.opened

    def place(self, index):
        shard = int(numpy.searchsorted(self.starts, index, side="right")) - 1
        return shard, index - int(self.starts[shard])

    def __getitem__(self, index):
        shards = self.shards()
        if self.by == "batch":
            return self.batch(shards, numpy.array(index))
        shard, row = self.place(index)
        return torch.from_numpy(shards[shard][row])

    def batch(self, shards, indices):
        pixels = torch.empty((len(indices), *shards[0].shape[1:]), dtype=torch.uint8)
        of = numpy.searchsorted(self.starts, indices, side="right") - 1
        for shard in numpy.unique(of):
            wanted = numpy.flatnonzero(of == shard)
            rows, back = numpy.unique(indices[wanted] - self.starts[shard], return_inverse=True)
            pixels[torch.from_numpy(wanted)] = torch.from_numpy(shards[shard][rows][back])
        return pixels


def make_loader(options):
    data = Shards(options.data, options.by)
    sampler = RandomSampler(data, replacement=False, num_samples=options.batch * (options.batches + 8))
    workers = {"num_workers": options.workers}
    if options.workers > 0:
        workers |= {"persistent_workers": True, "prefetch_factor": 4}
    if options.by == "batch":
        return DataLoader(data, sampler=BatchSampler(sampler, options.batch, drop_last=True), batch_size=None, **workers)
    return DataLoader(data, sampler=sampler, batch_size=options.batch, drop_last=True, **workers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--by", choices=["image", "batch"], default="batch")
    options = parser.parse_args()
    torch.set_num_threads(1)
    loader, seconds = make_loader(options), []
    for repeat in range(options.repeats + 1):
        batches = iter(loader)
        # Workers prefetch: batches that are ready before the start are not timed.
        for _ in range(4):
            next(batches)
        began = time.perf_counter()
        for _ in range(options.batches):
            next(batches)
        if repeat > 0:  # the first repeat warms the page cache
            seconds.append(time.perf_counter() - began)
        for _ in batches:
            pass
    print(json.dumps({"seconds": seconds, "images": options.batch * options.batches,
                      "versions": f"PyTorch {torch.__version__}, h5py {h5py.__version__}"}))


if __name__ == "__main__":
    main()
