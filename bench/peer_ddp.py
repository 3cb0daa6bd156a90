"""PyTorch's side of bench/step.py and bench/objectives.py: times training steps with DistributedDataParallel; prints
one JSON line.

    peer_ddp.py [--objective began|ebgan|ebgan-pt|magan|ebm|rbm-cd|rbm-pcd] [--ranks 2] [--threads 1] [--device cpu|cuda]
                [--resolution 64] [--width 32] [--batch 16] [--schedule alternating|shared] [--precision fp32|tf32|bf16]
                [--compile none|default|...] [--steps 12] [--warmup 4]

Ranks are processes of this program on one machine, over gloo on CPUs and NCCL on GPUs. With --replay FILE --out FILE the
weights, images and latents of a safetensors file are used and the losses written, to test that both sides compute the
same (tests/interop/test_bench_peer.py). `start.NETWORK.*` are the weights, `images` those of all steps, and
`STEP.DRAW` the random tensors that the objective's peer names (DRAWS).
"""

import argparse
import importlib
import json
import os
import time

from ranks import end_rank, join_ranks, start_ranks

# Environment of ranks on CPUs: threads sleep while they wait, and freed memory stays with the process, as in Valley
# (performance.keep_memory).
RANK_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000",
              "MALLOC_MMAP_MAX_": "0"}


# Module and class of each objective's peer.
PEERS = {"began": "began_peer.BeganPeer", "ebgan": "hinge_peer.HingePeer", "ebgan-pt": "hinge_peer.HingePeer",
         "magan": "hinge_peer.HingePeer", "ebm": "ebm_peer.EbmPeer", "rbm-cd": "rbm_peer.RbmPeer",
         "rbm-pcd": "rbm_peer.RbmPeer"}


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", choices=list(PEERS), default="began")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="per rank")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bind", action="store_true", help="bind each rank to cores")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--latent", type=int, help="default: that of Valley's config")
    parser.add_argument("--hidden", type=int, default=64, help="bottleneck dimension of BEGAN, hidden units of an RBM")
    parser.add_argument("--batch", type=int, default=16, help="global batch")
    parser.add_argument("--schedule", choices=["alternating", "shared"], default="alternating")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--compile", default="none",
                        choices=["none", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"])
    parser.add_argument("--contiguous", action="store_true", help="NCHW in memory instead of channels_last")
    parser.add_argument("--passes", choices=["split", "together", "concat"], default="split")
    parser.add_argument("--unfrozen", action="store_true", help="also compute D's weight gradients in G's step")
    parser.add_argument("--ema-half-life", type=float, default=10000, help="images; 0: no average")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--replay", metavar="FILE")
    parser.add_argument("--rate", type=float, help="default: that of Valley's config")
    parser.add_argument("--gamma", type=float, default=0.5)
    parser.add_argument("--lambda-k", type=float, default=0.001)
    parser.add_argument("--margin", type=float, help="of EBGAN and MAGAN; default: the energy at an RMSE of 0.18 per pixel")
    parser.add_argument("--pulling-away-weight", type=float, default=0.1)
    parser.add_argument("--langevin-steps", type=int, default=60)
    parser.add_argument("--out", metavar="FILE")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def bind(options):
    cores = sorted(os.sched_getaffinity(0))
    own = cores[options.rank * options.threads: (options.rank + 1) * options.threads]
    if len(own) == options.threads:
        os.sched_setaffinity(0, own)


def make_peer(options, device):
    module, name = PEERS[options.objective].split(".")
    return getattr(importlib.import_module(module), name)(options, device)


def share(options, tensor):
    """This rank's rows of the global batch: the first dimension, or the second if the first is the step of a chain."""
    return tensor.chunk(options.ranks, dim=1 if tensor.dim() == 3 else 0)[options.rank].contiguous()


def replay(options, device):
    import torch.distributed as dist
    from safetensors.torch import load_file, save_file

    given = load_file(options.replay)
    peer, losses = make_peer(options, device), {}
    for name, network in peer.networks.items():
        prefix = f"start.{name}."
        network.load_state_dict({n[len(prefix):]: v for n, v in given.items() if n.startswith(prefix)})
    for step, images in enumerate(given["images"]):
        draws = (share(options, given[f"{step}.{name}"]).to(device) for name in peer.DRAWS)
        found = peer.step(share(options, images), *draws)
        for name, value in (found | peer.controller()).items():
            mean = value.detach().clone()
            dist.all_reduce(mean)
            losses[f"{step}.{name}"] = mean.cpu() / options.ranks
    if options.rank == 0:
        save_file(losses, options.out)


def timed_steps(options, device, step):
    """Seconds of each step after warm-up; on a GPU by its own clock, because the host may run ahead."""
    import torch

    if device.type == "cuda":
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(options.steps + 1)]
        for i in range(options.warmup + options.steps):
            if i == options.warmup:
                marks[0].record()
            step(i)
            if i >= options.warmup:
                marks[i - options.warmup + 1].record()
        torch.cuda.synchronize()
        return [a.elapsed_time(b) / 1e3 for a, b in zip(marks, marks[1:])]
    times = []
    for i in range(options.warmup + options.steps):
        times.append(time.perf_counter())
        step(i)
    times.append(time.perf_counter())
    return [b - a for a, b in zip(times, times[1:])][options.warmup:]


def peak_resident():
    """Peak resident bytes, as Valley counts them: getrusage also counts the parent before the fork."""
    [kibibytes] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return int(kibibytes) << 10


def measure(options, device):
    import torch
    import torch.distributed as dist

    peer = make_peer(options, device)
    each = options.batch // options.ranks
    draws = torch.Generator(device=device).manual_seed(options.rank)
    side = options.resolution
    channels = 1 if options.objective.startswith("rbm") else 3
    pixels = torch.randint(0, 256, (4, each, side, side, channels), dtype=torch.uint8, generator=draws, device=device)
    seconds = timed_steps(options, device, lambda i: peer.step(pixels[i % 4], *peer.draw(draws)))
    peer.finish()  # waits for reductions in progress before the process ends
    peak = torch.zeros(options.ranks, dtype=torch.int64)
    peak[options.rank] = peak_resident()
    peak = peak.to(device)
    dist.all_reduce(peak)
    if options.rank == 0:
        on_gpu = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
        print(json.dumps({"seconds": seconds, "peak_resident": peak.tolist(), "peak_device": on_gpu,
                          "versions": f"PyTorch {torch.__version__}"}), flush=True)


def work(options):
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    on_gpu = options.device == "cuda"
    if on_gpu:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    device = torch.device("cuda", options.rank) if on_gpu else torch.device("cpu")
    join_ranks(options.rank, options.ranks, on_gpu)
    (replay if options.replay else measure)(options, device)
    end_rank()


def main():
    options = arguments()
    if options.rank is None:
        start_ranks(options.ranks, options.threads, RANK_ENVIRONMENT)
    if options.bind:
        bind(options)
    work(options)


if __name__ == "__main__":
    main()
