"""Trains many seeds at a learning rate that loses runs, with rescue (docs/rescue.md), and prints a Markdown table: what each
seed needed and how it ended. Runs that exist below --out are resumed, finished ones are only counted.

    rescue.py --data data/mnist-28 --out runs/rescue [--seeds 0-19] [--steps 2000] [--jobs 2] [--mode rescue|stop] [KEY=VALUE ...]
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tomllib

from alternate import BUILD, REPOSITORY

# A run ends alive if the gap of the last reports is below this share of the gap at the minimum of the loss, where the network
# separates chains from data, and the SWD of its chains is at most this share of that of noise.
LAST_REPORTS = 10
SEPARATED = 0.9
SWD_SHARE = 0.5
SAMPLES = 500


def seeds_of(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="shards of MNIST at 28x28 (datasets/README.md)")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=seeds_of, default=range(20), metavar="FIRST-LAST")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time, one core each")
    parser.add_argument("--mode", choices=["rescue", "stop"], default="rescue")
    parser.add_argument("--config", type=pathlib.Path, default=REPOSITORY / "configs" / "mnist-ebm.toml")
    parser.add_argument("--valley", type=pathlib.Path, default=BUILD / "valley")
    parser.add_argument("keys", nargs="*", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def train(o, seed):
    """Returns the run directory of a seed after its training, which --resume auto continues."""
    out = o.out / f"{o.mode}-{seed:02}"
    out.mkdir(parents=True, exist_ok=True)
    command = [o.valley, "train", o.config, f"data.path={o.data}", "optimizer.lr=1e-3", f"train.steps={o.steps}", f"train.seed={seed}",
               f"train.on_divergence={o.mode}", "train.threads=1", f"evaluate.every={o.steps}", f"evaluate.samples={SAMPLES}", *o.keys,
               "--out", out, "--resume", "auto"]
    with open(out / "output.txt", "a") as output:
        code = subprocess.run(list(map(str, command)), stdout=output, stderr=output, check=False).returncode
    print(f"seed {seed}: exit code {code}", file=sys.stderr, flush=True)
    return sorted(out.glob("[0-9]*"))[-1]


def result_of(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    reports = [line for line in lines if "event" not in line]
    swds = [line["swd"] for line in lines if line.get("event") == "evaluate"]
    decay = tomllib.loads((run / "config.toml").read_text())["objective"]["energy_decay"]
    warnings = [line["step"] for line in lines if line.get("event") == "warning" and line["kind"] in ("divergence", "collapse")]
    file = run / "rescues.json"
    gaps = [line["energy/gap"] for line in reports[-LAST_REPORTS:] if line["energy/gap"] is not None]
    gap = statistics.median(gaps) if gaps else float("nan")
    end = json.loads((run / "exit.json").read_text())
    return {"steps": reports[-1]["step"], "code": end["exit_code"], "gap": gap * decay,
            "rescues": json.loads(file.read_text()) if file.exists() else [], "warning": warnings[0] if warnings else None,
            "noise": swds[0], "swd": swds[-1] if len(swds) > 1 else float("nan")}


def row(seed, r):
    path = ", ".join(f"{x['lost']} to {x['step']}" for x in r["rescues"]) or "-"
    scale = r["rescues"][-1]["lr_scale"] if r["rescues"] else 1
    return (f"| {seed} | {r['steps']} | {r['code']} | {r['warning'] or '-'} | {path} | {scale:.4g} | {r['gap']:.3f} | "
            f"{r['swd']:.0f} ({r['noise']:.0f}) |")


def is_alive(r, steps):
    return r["code"] == 0 and r["steps"] >= steps and r["gap"] < SEPARATED and r["swd"] <= SWD_SHARE * r["noise"]


def main():
    o = arguments()
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        results = dict(zip(o.seeds, map(result_of, pool.map(lambda seed: train(o, seed), o.seeds)), strict=True))
    print("| Seed | Steps | Exit code | First warning | Rescues | Learning rate, times | Gap, share | SWD (noise) |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for seed, result in results.items():
        print(row(seed, result))
    alive = [r for r in results.values() if is_alive(r, o.steps)]
    counts = [len(r["rescues"]) for r in results.values()]
    print(f"\n{len(alive)} of {len(results)} seeds reached step {o.steps} alive; rescues per seed: median "
          f"{statistics.median(counts):g}, most {max(counts)}. Gap, share: median gap of the last {LAST_REPORTS} reports, as a share of that at "
          f"the minimum of the loss; alive: below {SEPARATED}, and SWD of {SAMPLES} chains at most {SWD_SHARE} of that of noise.")


if __name__ == "__main__":
    main()
