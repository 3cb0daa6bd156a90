"""How the peers' ranks are started: processes of one program on one machine that find one another over loopback."""

import os
import socket
import subprocess
import sys


def start_ranks(ranks, threads, environment=None):
    """Runs this program once a rank, with `--rank N` behind its words, and ends with the largest of their exit codes. OpenMP
    and the C library read their environment when they are loaded, so each rank is a new program."""
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
    """Leaves the ranks and ends this process as it is. While Python takes itself apart, gloo's threads may still hold tensors,
    and then the process aborts ("terminate called without an active exception") after all of its work."""
    import torch.distributed as dist

    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
