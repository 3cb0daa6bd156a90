"""Times how long PyTorch stalls a program that saves the tensors of a Valley run; the last line of output is JSON.

    peer_checkpoint.py CHECKPOINT FOLDER [--way save|async] [--times N]

"save": torch.save and fsync, as one writes it by hand. "async": torch.distributed.checkpoint.async_save, until it returns;
it has then copied the tensors and writes on a thread, which is waited for before the next time.
"""

import argparse
import json
import os
import pathlib
import shutil
import time

import safetensors.torch
import torch
from ranks import end_rank


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--way", choices=["save", "async"], default="save")
    parser.add_argument("--times", type=int, default=5)
    return parser.parse_args()


def save(tensors, path):
    began = time.perf_counter()
    with open(path, "wb") as file:
        torch.save(tensors, file)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    path.unlink()
    return seconds


def save_async(tensors, path):
    from torch.distributed import checkpoint
    began = time.perf_counter()
    writing = checkpoint.async_save(tensors, checkpoint_id=path)
    seconds = time.perf_counter() - began
    writing.result()
    shutil.rmtree(path)
    return seconds


def main():
    o = arguments()
    tensors = {name: safetensors.torch.load_file(o.checkpoint / f"{name}.safetensors") for name in ("model", "state")}
    if o.way == "async":
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    way = save if o.way == "save" else save_async
    seconds = [way(tensors, o.folder / f"peer-{time_of}") for time_of in range(o.times)]
    size = sum(tensor.nbytes for group in tensors.values() for tensor in group.values())
    print(json.dumps({"seconds": seconds, "bytes": size, "versions": f"PyTorch {torch.__version__}"}), flush=True)
    if o.way == "async":
        end_rank()


if __name__ == "__main__":
    main()
