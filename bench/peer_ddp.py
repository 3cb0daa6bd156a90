"""PyTorch's side of bench/step.py: steps of BEGAN with DistributedDataParallel, timed; one JSON line of what was measured.

    peer_ddp.py [--ranks 2] [--threads 1] [--device cpu|cuda] [--resolution 64] [--width 32] [--batch 16]
                [--schedule alternating|shared] [--precision fp32|tf32|bf16] [--compile none|default|...]
                [--steps 12] [--warmup 4]

Ranks are processes of this program on one machine, over gloo on CPUs and NCCL on GPUs. With --replay FILE --out FILE the
weights, images and latents of a safetensors file are used and the losses written, to prove that both sides compute the
same (tests/interop/test_bench_peer.py).
"""

import argparse
import json
import os
import time

from ranks import end_rank, join_ranks, start_ranks

# Of a CPU: threads that sleep while they wait, and freed memory that stays, as Valley has it (performance.keep_memory).
WHAT_HELPS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000",
              "MALLOC_MMAP_MAX_": "0"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of a rank")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bind", action="store_true", help="a rank's threads stay on cores of its own")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16, help="of all ranks")
    parser.add_argument("--schedule", choices=["alternating", "shared"], default="alternating")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--compile", default="none",
                        choices=["none", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"])
    parser.add_argument("--contiguous", action="store_true", help="NCHW in memory instead of channels_last")
    parser.add_argument("--passes", choices=["split", "together", "concat"], default="split")
    parser.add_argument("--unfrozen", action="store_true", help="D's weights get gradients in G's step, too")
    parser.add_argument("--ema-half-life", type=float, default=10000, help="images; 0: no average")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--replay", metavar="FILE")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--gamma", type=float, default=0.5)
    parser.add_argument("--lambda-k", type=float, default=0.001)
    parser.add_argument("--out", metavar="FILE")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def bind(options):
    cores = sorted(os.sched_getaffinity(0))
    own = cores[options.rank * options.threads: (options.rank + 1) * options.threads]
    if len(own) == options.threads:
        os.sched_setaffinity(0, own)


def make_peer(options, device):
    from began_peer import BeganPeer, Settings

    model = {"name": "began", "resolution": options.resolution, "channels": 3, "width": options.width,
             "latent": options.latent, "hidden": options.hidden, "skip_connections": False, "downsample": "strided",
             "output": "linear", "vanishing_residuals": "0"}
    settings = Settings(precision=options.precision, compile=options.compile, channels_last=not options.contiguous,
                        passes=options.passes, frozen=not options.unfrozen, schedule=options.schedule,
                        gamma=options.gamma, lambda_k=options.lambda_k, rate=options.rate,
                        ema_half_life=options.ema_half_life)
    return BeganPeer(model, settings, device, options.batch)


def share(options, tensor):
    """This rank's rows of the global batch, which are the first dimension."""
    return tensor.chunk(options.ranks)[options.rank].contiguous()


def replay(options, device):
    import torch.distributed as dist
    from safetensors.torch import load_file, save_file

    given = load_file(options.replay)
    peer, losses = make_peer(options, device), {}
    for name, network in peer.networks.items():
        prefix = f"start.{name}."
        network.load_state_dict({n[len(prefix):]: v for n, v in given.items() if n.startswith(prefix)})
    for step, images in enumerate(given["images"]):
        found = peer.step(share(options, images), *(share(options, given[f"{step}.{z}"]).to(device) for z in ("z_d", "z_g")))
        found = {name: value.clone() for name, value in found.items()} | {"k": peer.settled_k().clone()}
        for name, value in found.items():
            if name != "k":
                dist.all_reduce(value)
                value /= options.ranks
            losses[f"{step}.{name}"] = value.cpu()
    if options.rank == 0:
        save_file(losses, options.out)


def timed_steps(options, device, step):
    """Seconds of each step after the first ones. On a GPU by its own clock: the host may run ahead."""
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
    """Bytes at most, as Valley counts them: getrusage also counts the process that this one was forked from."""
    [kibibytes] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return int(kibibytes) << 10


def measure(options, device):
    import torch
    import torch.distributed as dist

    peer = make_peer(options, device)
    each = options.batch // options.ranks
    draws = torch.Generator(device=device).manual_seed(options.rank)
    side = options.resolution
    pixels = torch.randint(0, 256, (4, each, side, side, 3), dtype=torch.uint8, generator=draws, device=device)

    def step(i):
        z = torch.rand((2, each, options.latent), generator=draws, device=device).mul_(2).sub_(1)
        peer.step(pixels[i % 4], z[0], z[1])

    seconds = timed_steps(options, device, step)
    peer.settled_k()  # a reduction that is still on its way must not meet the end of the process
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
        start_ranks(options.ranks, options.threads, WHAT_HELPS)
    if options.bind:
        bind(options)
    work(options)


if __name__ == "__main__":
    main()
