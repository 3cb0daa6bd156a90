"""Times Valley's all-reduce against torch.distributed (gloo on CPUs, NCCL on GPUs) in alternating rounds and prints a
Markdown table.

    allreduce.py [--ranks 2] [--device cpu|cuda] [--sizes 4096 1048576 67108864] [--chunk 512K ...] [--rounds 5] [--tree]
"""

import argparse
import pathlib
import statistics
import sys

from alternate import BUILD, REPOSITORY, run_alternating, launcher, machine, ratios, run_json, table, version


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4 << 10, 256 << 10, 4 << 20, 64 << 20], help="bytes")
    parser.add_argument("--chunk", nargs="+", default=[], metavar="BYTES", help="also Valley with each of these chunks")
    parser.add_argument("--tree", action="store_true", help="also the sums of Valley's reproducible mode")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    return parser.parse_args()


def sides_of(o):
    def ours(*words):
        command = [*launcher(o.ranks), o.valley, "bench", "allreduce", "--device", o.device, "--sizes",
                   ",".join(map(str, o.sizes)), "--repeats", o.repeats, "--json", *words]
        return lambda: run_json(command)

    theirs = [sys.executable, REPOSITORY / "bench" / "peer_allreduce.py", "--ranks", o.ranks, "--device", o.device,
              "--repeats", o.repeats, "--sizes", *o.sizes]
    sides = {"valley": ours()} | {f"valley, chunks of {chunk}": ours("--chunk", chunk) for chunk in o.chunk}
    if o.tree:
        sides["valley, fixed tree"] = ours("--tree")
    return sides | {"torch.distributed": lambda: run_json(theirs)}


def medians(results, place):
    return [statistics.median(result["sizes"][place]["seconds"]) for result in results]


def main():
    o = arguments()
    results, rows = run_alternating(sides_of(o), o.rounds), []
    for place, size in enumerate(o.sizes):
        ours = medians(results["valley"], place)
        for name, found in results.items():
            each = medians(found, place)
            typical = statistics.median(each)
            ratio, low, high = ratios(ours, each)
            rows.append([f"{size:,}", name, f"{1e6 * typical:,.1f}",
                         f"{2 * (o.ranks - 1) / o.ranks * size / typical / 1e9:.2f}",
                         "1" if name == "valley" else f"{ratio:.2f} ({low:.2f} to {high:.2f})"])
    print(table(["bytes", "side", "time, us", "bus bandwidth, GB/s", "peer / Valley (min to max)"], rows))
    peer = results["torch.distributed"][0]["versions"]
    print(f"\n{o.ranks} ranks on {o.device}, {o.rounds} rounds. {machine()}; {version(o.valley)}; {peer}")


if __name__ == "__main__":
    main()
