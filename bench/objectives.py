"""Times the training steps of all objectives against PyTorch's DistributedDataParallel in alternating rounds and prints one
Markdown table. step.py measures one objective in more detail and defines the ratio.

    objectives.py [--only ebgan-pt magan ebm rbm-cd rbm-pcd ...] [--ranks 2] [--threads 1] [--width 16] [--batch 16]
                  [--rbm-batch 100] [--precision fp32 bf16] [--compile none default ...] [--rounds 5] [--device cpu|cuda]

Each row has the fastest variant of the peer: one or two backward passes of the terms of a loss (together, split), or one
forward pass of real and generated images (concat), each with every mode of --compile.
"""

import argparse
import pathlib
import statistics
import sys

import step
from alternate import BUILD, run_alternating, machine, ratios, table, version

# Objective and resolution; 0: an RBM with 784 visible units.
CASES = [("began", 64), ("ebgan", 64), ("ebgan-pt", 64), ("magan", 64), ("ebm", 32), ("ebm", 64), ("rbm-cd", 0), ("rbm-pcd", 0)]
PASSES = ["split", "together", "concat"]
COLUMNS = ["objective", "resolution", "width", "batch", "ranks x threads", "precision", "Valley, ms", "peer, ms", "peer variant",
           "peer / Valley (min to max)", "fastest step, ms, Valley / peer", "peak MiB per rank, Valley / peer"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(dict.fromkeys(objective for objective, _ in CASES))
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--resolution", type=int, help="for all objectives but RBMs; default: 64, for EBMs 32 and 64")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="per rank")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bind", action="store_true", help="bind the ranks of both sides to cores")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=16, help="global batch")
    parser.add_argument("--rbm-batch", type=int, default=100, help="global batch of RBMs")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], nargs="+", default=["fp32"])
    parser.add_argument("--compile", choices=step.COMPILE, nargs="+", default=["none"], help="none: eager")
    parser.add_argument("--passes", choices=PASSES, nargs="+", default=PASSES)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--ebm-steps", type=int, default=4, help="timed steps of EBMs, each with chains of 60 steps")
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def case_options(o, objective, resolution):
    """The options of step.py that measure one objective."""
    own = {"objective": objective, "resolution": resolution, "schedule": "alternating", "switch": [], "unfrozen": False,
           "layout": ["channels_last"]}
    if objective.startswith("ebgan"):
        # Batch norm needs separate moments of real and generated images, which then cannot share a forward pass.
        own["passes"] = [passes for passes in o.passes if passes != "concat"]
    if resolution == 0:
        own["batch"] = o.rbm_batch
    if objective == "ebm":
        own |= {"steps": o.ebm_steps, "warmup": 1}
    return argparse.Namespace(**(vars(o) | own))


def row(case, precision, valley, name, peer):
    ours, theirs = step.median_steps(valley), step.median_steps(peer)
    ratio, low, high = ratios(ours, theirs)
    return [case.objective, case.resolution or f"{step.RBM_SIDE**2}-{step.RBM_HIDDEN}", case.width if case.resolution else "",
            case.batch, f"{case.ranks} x {case.threads}", precision, milliseconds(statistics.median(ours)),
            milliseconds(statistics.median(theirs)), name.removeprefix("PyTorch DDP, "), f"{ratio:.2f} ({low:.2f} to {high:.2f})",
            f"{milliseconds(step.fastest(valley))} / {milliseconds(step.fastest(peer))}",
            f"{step.peak_mebibytes(valley)} / {step.peak_mebibytes(peer)}"]


def milliseconds(seconds):
    return f"{1e3 * seconds:.1f}"


def main():
    o = arguments()
    chosen = [(name, o.resolution if o.resolution and side else side) for name, side in CASES if name in o.only]
    rows, versions = [], ""
    for objective, resolution in dict.fromkeys(chosen):
        case = case_options(o, objective, resolution)
        for precision in o.precision:
            if step.is_rbm(case) and precision == "bf16":
                continue  # RBMs compute in fp32 only
            results = run_alternating(step.sides_of(case, precision), o.rounds)
            valley = results.pop("valley")
            name, peer = min(results.items(), key=lambda side: statistics.median(step.median_steps(side[1])))
            rows.append(row(case, precision, valley, name, peer))
            versions = peer[0]["versions"]
            print(" | ".join(map(str, rows[-1])), file=sys.stderr, flush=True)
    print(table(COLUMNS, rows))
    print(f"\n{o.rounds} rounds of {o.steps} steps ({o.ebm_steps} of EBMs) in alternation; {machine()}; {version(o.valley)}; {versions}")


if __name__ == "__main__":
    main()
