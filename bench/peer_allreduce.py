"""PyTorch's side of bench/allreduce.py: torch.distributed's all-reduce, gloo on CPUs and NCCL on GPUs. One JSON line.

    peer_allreduce.py [--ranks 2] [--device cpu|cuda] [--sizes 4096 1048576 67108864] [--repeats 10]
"""

import argparse
import json
import time

from ranks import end_rank, join_ranks, start_ranks

BYTES_PER_REPEAT, MAX_CALLS = 64 << 20, 200  # as valley bench allreduce


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4 << 10, 1 << 20, 64 << 20])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def seconds_of_call(buffer, calls):
    import torch
    import torch.distributed as dist

    dist.barrier()
    began = time.perf_counter()
    for _ in range(calls):
        dist.all_reduce(buffer)
    if buffer.is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / calls


def work(options):
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    join_ranks(options.rank, options.ranks, options.device == "cuda")
    found = []
    for size in options.sizes:
        buffer = torch.zeros(size // 4, device=options.device)
        dist.all_reduce(buffer)
        calls = max(1, min(MAX_CALLS, BYTES_PER_REPEAT // size))
        found.append({"bytes": size, "seconds": [seconds_of_call(buffer, calls) for _ in range(options.repeats)]})
    if options.rank == 0:
        print(json.dumps({"sizes": found, "versions": f"PyTorch {torch.__version__}, {dist.get_backend()}"}), flush=True)
    end_rank()


def main():
    options = arguments()
    if options.rank is None:
        start_ranks(options.ranks, threads=1)
    work(options)


if __name__ == "__main__":
    main()
