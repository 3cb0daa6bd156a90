"""Times the training step of an objective against PyTorch's DistributedDataParallel in alternating rounds, with the same
network, schedule, batch, precision, ranks and threads, and prints a Markdown table. objectives.py compares all objectives.

    step.py [--objective began|ebgan|ebgan-pt|magan|ebm|rbm-cd|rbm-pcd] [--ranks 2] [--threads 1] [--resolution 64]
            [--width 32] [--batch 16] [--schedule alternating|shared] [--precision fp32 bf16] [--compile none default ...]
            [--passes split together concat] [--rounds 5] [--switch performance.frozen_networks=false ...]
            [--device cpu|cuda] [--bind]

The peer (peer_ddp.py) is measured in each variant that the options name, and Valley with each switch too. The ratio is
that of median steps in the same round: above 1, Valley is faster by that factor.
"""

import argparse
import pathlib
import statistics
import sys

from alternate import BUILD, REPOSITORY, run_alternating, launcher, machine, ratios, run_json, table, version

# Config of Valley and its overrides. RBMs ignore --width and --resolution: they have 784 visible units.
OBJECTIVES = {
    "began": ("began-64", []),
    "ebgan": ("ebgan-64", []),
    "ebgan-pt": ("ebgan-pt-64", []),
    "magan": ("magan-64", []),
    "ebm": ("ebm-64", []),
    "rbm-cd": ("rbm-mnist", ["objective.persistent_chains=false", "objective.gibbs_steps=1"]),
    "rbm-pcd": ("rbm-mnist", ["objective.gibbs_steps=1"]),
}
RBM_SIDE, RBM_HIDDEN = 28, 500
COMPILE = ["none", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", choices=list(OBJECTIVES), default="began")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="per rank")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bind", action="store_true", help="bind the ranks of both sides to cores")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16, help="global batch")
    parser.add_argument("--schedule", choices=["alternating", "shared"], default="alternating")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], nargs="+", default=["fp32"])
    parser.add_argument("--compile", choices=COMPILE, nargs="+", default=["none"], help="none: eager")
    parser.add_argument("--passes", choices=["split", "together", "concat"], nargs="+", default=["split", "together"])
    parser.add_argument("--layout", choices=["channels_last", "contiguous"], nargs="+", default=["channels_last"])
    parser.add_argument("--unfrozen", action="store_true", help="also a peer whose D gets weight gradients in G's step")
    parser.add_argument("--switch", nargs="+", default=[], metavar="KEY=VALUE", help="also Valley with each of these keys")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def is_rbm(o):
    return o.objective.startswith("rbm")


def valley_side(o, precision, *keys):
    config, changes = OBJECTIVES[o.objective]
    if not is_rbm(o):
        changes = [*changes, f"model.resolution={o.resolution}", f"model.width={o.width}"]
    if o.objective == "began":
        changes = [*changes, f"train.schedule={o.schedule}"]
    words = [o.valley, "bench", "step", REPOSITORY / "configs" / f"{config}.toml", *changes, f"train.global_batch={o.batch}",
             f"train.microbatch={o.batch // o.ranks}", f"train.precision={precision}", f"train.threads={o.threads}",
             f"train.device={o.device}", "--steps", o.steps, "--warmup", o.warmup, "--json", *keys]
    return lambda: run_json([*launcher(o.ranks, o.threads, o.bind), *words])


def peer_side(o, precision, compiled, passes, layout, unfrozen=False):
    shape = ["--resolution", RBM_SIDE, "--hidden", RBM_HIDDEN] if is_rbm(o) else ["--resolution", o.resolution, "--width", o.width]
    words = [sys.executable, REPOSITORY / "bench" / "peer_ddp.py", "--objective", o.objective, "--ranks", o.ranks, "--threads",
             o.threads, "--device", o.device, *shape, "--batch", o.batch, "--schedule", o.schedule, "--precision", precision,
             "--compile", compiled, "--passes", passes, "--steps", o.steps, "--warmup", o.warmup,
             *(["--bind"] if o.bind else []), *(["--unfrozen"] if unfrozen else []),
             *(["--contiguous"] if layout == "contiguous" else [])]
    return lambda: run_json(words)


def sides_of(o, precision):
    sides = {"valley": valley_side(o, precision)}
    sides |= {f"valley {key}": valley_side(o, precision, key) for key in o.switch}
    has_passes = o.schedule == "alternating" and not is_rbm(o)
    for compiled in o.compile:
        for passes in o.passes if has_passes else ["split"]:
            for layout in o.layout:
                name = "PyTorch DDP, " + ("eager" if compiled == "none" else f"compile ({compiled})")
                name += f", {passes}" if has_passes else ""
                name += "" if layout == "channels_last" else ", contiguous"
                sides[name] = peer_side(o, precision, compiled, passes, layout)
    if o.unfrozen:
        sides["PyTorch DDP, eager, split, D not frozen"] = peer_side(o, precision, "none", "split", "channels_last", True)
    return sides


def fastest(results):
    """Seconds of the fastest step, the one least disturbed by other programs."""
    return min(second for result in results for second in result["seconds"])


def median_steps(results):
    """Seconds of the median step of each round."""
    return [statistics.median(result["seconds"]) for result in results]


def peak_mebibytes(results):
    """Peak memory of the rank with the highest, GPU memory if it has a GPU; median of the rounds."""
    peaks = (max(result["peak_device"] or result["peak_resident"]) if isinstance(result["peak_device"], list)
             else result["peak_device"] or max(result["peak_resident"]) for result in results)
    return f"{statistics.median(peaks) / 2**20:.0f}"


def row(name, precision, results, ours, batch):
    medians = median_steps(results)
    typical = statistics.median(medians)
    ratio, low, high = ratios(ours, medians)
    return [name, precision, f"{1e3 * typical:.1f}", f"{batch / typical:.1f}",
            "1" if name == "valley" else f"{ratio:.2f} ({low:.2f} to {high:.2f})", f"{1e3 * fastest(results):.1f}",
            peak_mebibytes(results)]


def main():
    o = arguments()
    size = f"{RBM_SIDE**2}-{RBM_HIDDEN}" if is_rbm(o) else f"{o.resolution}x{o.resolution}, width {o.width}"
    print(f"{o.objective} {size}, batch {o.batch}, {o.schedule}; {o.ranks} ranks of "
          f"{o.threads} thread(s) on {o.device}; {o.rounds} rounds of {o.steps} steps after {o.warmup}\n", flush=True)
    rows, peer = [], ""
    for precision in o.precision:
        results = run_alternating(sides_of(o, precision), o.rounds)
        ours = median_steps(results["valley"])
        rows += [row(name, precision, found, ours, o.batch) for name, found in results.items()]
        peer = next(found[0]["versions"] for name, found in results.items() if name.startswith("PyTorch"))
    print(table(["side", "precision", "median step, ms", "images/s", "step / Valley's (min to max)",
                 "fastest step, ms", "peak MiB per rank"], rows))
    print(f"\n{machine()}; {version(o.valley)}; {peer}")


if __name__ == "__main__":
    main()
