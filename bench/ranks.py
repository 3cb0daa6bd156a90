"""Starts the ranks of the peers: processes of one program on one machine that connect over loopback."""

import os
import socket
import subprocess
import sys


def start_ranks(ranks, threads, environment=None):
    """Runs this program once per rank, with `--rank N` appended, and exits with the largest of their exit codes. Each rank is
    a new process, because OpenMP and the C library read their environment when they are loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo",
                 "OMP_NUM_THREADS": str(threads), **(environment or {})}
    started = [subprocess.Popen([sys.executable, *sys.argv, "--rank", str(rank)], env=variables) for rank in range(ranks)]
    codes = [rank.wait() for rank in started]
    sys.exit(max(abs(code) for code in codes))


def join_ranks(rank, ranks, on_gpu):
    """Makes this process a rank: NCCL on the GPU of its number, gloo on CPUs."""
    import torch
    import torch.distributed as dist

    if on_gpu:
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if on_gpu else "gloo", rank=rank, world_size=ranks)


def end_rank():
    """Leaves the process group and ends this process without Python's cleanup, during which gloo's threads may still hold
    tensors, so that the process would abort ("terminate called without an active exception")."""
    import torch.distributed as dist

    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
