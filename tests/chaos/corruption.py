"""Flips random bits of the weights, moments, gradients and pixels of one rank of a training, and counts how often the audit finds
them within its interval and names the rank (docs/audit.md). Then trains on, audited in every step, and counts false alarms.

    python tests/chaos/corruption.py --trials 100 --steps 100000 --ranks 2 4
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from program import BUILD, launcher  # noqa: E402

TEST = BUILD / "tests" / "train" / "test_train_ranks"


def run(ranks, name, variables):
    """The output of one test of the program on several ranks, and the seconds that it took."""
    words = [*launcher(ranks), str(TEST), f"--gtest_filter=AuditTrials.{name}"]
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    begin = time.monotonic()
    result = subprocess.run(words, env=os.environ | allowed | variables, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{result.stdout}{result.stderr}")
    return result.stdout, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="per kind and number of ranks")
    parser.add_argument("--steps", type=int, default=100000, help="audited steps of a sound training; 0: none")
    parser.add_argument("--ranks", type=int, nargs="+", default=[4])
    options = parser.parse_args()

    print("| Bits of | Ranks | Found within 10 steps | Rank named | Vanished: equal again before an audit |")
    print("| --- | --- | --- | --- | --- |")
    for ranks in options.ranks:
        text, _ = run(ranks, "FindBrokenBits", {"VALLEY_AUDIT_TRIALS": str(options.trials)})
        found = re.findall(r"trials (\w+): (\d+), found within 10 steps: (\d+), rank named: (\d+), vanished: (\d+)", text)
        for kind, trials, in_time, named, vanished in found:
            print(f"| {kind} | {ranks} | {in_time} of {trials} | {named} | {vanished} |", flush=True)
    if options.steps > 0:
        ranks = options.ranks[0]
        _, seconds = run(ranks, "HaveNoFalseAlarm", {"VALLEY_AUDIT_STEPS": str(options.steps)})
        print(f"\nNo false alarm in {options.steps} audited steps on {ranks} ranks ({seconds:.0f} s).")


if __name__ == "__main__":
    main()
