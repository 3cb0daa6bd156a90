"""Step times of Valley and of PyTorch's DistributedDataParallel (bench/peer_ddp.py), and all-reduce."""

import json
import statistics
import sys

import place
from process import OverLimit
from step import Failed, Skipped, Step

BATCHES, PRECISIONS = (16, 64, 256), ("fp32", "tf32", "bf16")
STEPS, WARMUP = 10, 3
COMPILED_BATCH = 64  # torch.compile takes a minute per configuration
RESOLUTION, WIDTH = 64, 128


def describe(median, batch):
    return f"{1e3 * median:.2f} ms, {batch / median:.0f} images/s"


def time_valley(work, batch, precision, graph, ranks=None):
    if work.machine.fake:
        raise Skipped("valley bench step multiplies matrices of 8192x8192, which takes minutes on a fake device")
    words = ["bench", "step", place.find_config("began-64.toml"), f"model.width={WIDTH}", f"train.global_batch={batch}",
             f"train.precision={precision}", "train.device=cuda", f"performance.cuda_graph={'true' if graph else 'false'}",
             "--steps", STEPS, "--warmup", WARMUP, "--json"]
    found = json.loads(work.valley(*words, ranks=ranks).stdout)
    best = work.machine.shared.setdefault("step times", {})
    key = (batch, precision, ranks or 1)
    best[key] = min(best.get(key, found["median"]), found["median"])
    return f"{describe(found['median'], batch)}, {max(found['peak_device']) / 2**20:.0f} MiB, " \
           f"{found['share_of_matrix_speed']:.0f} % of a matrix product"


def python_with_cuda(work):
    """A Python whose PyTorch sees a GPU."""
    shared = work.machine.shared
    if "python" not in shared:
        shared["python"] = ""
        for python in (sys.executable, *map(str, place.python_candidates())):
            test = work.run([python, "-c", "import torch; print(torch.cuda.is_available())"], expect=None)
            shared["reason"] = "PyTorch sees no GPU" if test.code == 0 else f"no PyTorch in {python}"
            if test.code == 0 and test.stdout.strip() == "True":
                shared["python"] = python
                break
    if not shared["python"]:
        raise Skipped(shared["reason"])
    return shared["python"]


def time_peer(work, batch, precision, compiled, ranks=1):
    """A peer that does not run says nothing about Valley: the step is skipped."""
    peer = place.ROOT / "bench" / "peer_ddp.py"
    if not peer.exists():
        raise Skipped(f"no {peer}")
    words = [python_with_cuda(work), peer, "--ranks", ranks, "--device", "cuda", "--resolution", RESOLUTION, "--width", WIDTH, "--batch",
             batch, "--precision", precision, "--compile", compiled, "--steps", STEPS, "--warmup", WARMUP]
    try:
        result = work.run([str(word) for word in words], expect=None)
    except OverLimit:
        raise Skipped(f"the peer takes more than {work.limit:.0f} s") from None
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if result.code != 0 or not lines:
        raise Skipped(f"the peer ended with exit code {result.code}: {result.last_line()}")
    median = statistics.median(json.loads(lines[-1])["seconds"])
    ours = work.machine.shared.get("step times", {}).get((batch, precision, ranks))
    return describe(median, batch) + (f", {median / ours:.2f} times Valley's step" if ours else "")


def time_allreduce(work, ranks):
    found = json.loads(work.valley("bench", "allreduce", "--device", "cuda", "--json", ranks=ranks).stdout)
    sizes = [f"{size['bytes'] / 2**20:g} MiB in {1e6 * size['median']:.0f} us ({size['bus_bandwidth'] / 1e9:.1f} GB/s)"
             for size in found["sizes"]]
    if not sizes:
        raise Failed("no size was measured")
    return ", ".join(sizes)


def steps(machine):
    for batch in BATCHES:
        for precision in PRECISIONS:
            for graph in (False, True):
                yield Step(f"bench-{batch}-{precision}" + ("-graph" if graph else ""), "bench", 60,
                           f"valley bench step, BEGAN 64x64, width {WIDTH}, batch {batch}, {precision}, cuda_graph "
                           + ("on" if graph else "off"), lambda work, b=batch, p=precision, g=graph: time_valley(work, b, p, g),
                           quick=batch == 16 and precision == "fp32")
    ranks = machine.ranks
    yield Step(f"bench-allreduce-{ranks}-ranks", "bench", 60, f"valley bench allreduce of {ranks} ranks",
               lambda work: time_allreduce(work, ranks))
    if machine.gpus > 1:
        for precision in PRECISIONS:
            yield Step(f"bench-{64 * ranks}-{precision}-{ranks}-ranks", "bench", 60, f"valley bench step, {ranks} ranks of 64 images",
                       lambda work, p=precision: time_valley(work, 64 * ranks, p, False, ranks), quick=False)
            yield Step(f"peer-{64 * ranks}-{precision}-{ranks}-ranks", "peer", 60, f"PyTorch DDP, eager, {ranks} ranks of 64 images",
                       lambda work, p=precision: time_peer(work, 64 * ranks, p, "none", ranks), quick=False)
    for batch in BATCHES:
        for precision in PRECISIONS:
            yield Step(f"peer-{batch}-{precision}", "peer", 60, f"PyTorch DDP, eager, batch {batch}, {precision}",
                       lambda work, b=batch, p=precision: time_peer(work, b, p, "none"), quick=batch == 16 and precision == "fp32")
    for precision in PRECISIONS:
        yield Step(f"peer-{COMPILED_BATCH}-{precision}-compiled", "peer", 120, f"PyTorch DDP, torch.compile, batch {COMPILED_BATCH}, {precision}",
                   lambda work, p=precision: time_peer(work, COMPILED_BATCH, p, "default"), quick=False)
