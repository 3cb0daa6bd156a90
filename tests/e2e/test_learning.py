"""A short training on real digits really learns: its samples come nearer to the data than the untrained generator's."""

import json
import subprocess
import sys

import pytest
from program import REPOSITORY, VALLEY, Program

pytest.importorskip("mlxtend")

STEPS = 300
FALLEN = 0.7  # at most this share of the untrained generator's SWD is left; 0.2 to 0.3 were seen
VARIED = 0.4  # mean pairwise distance of samples, as a share of the data's; 1.0 to 1.1 were seen


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
    """Runs of the short config for digits, by the number of steps."""
    program = Program(tmp_path_factory.mktemp("learning"), REPOSITORY / "configs" / "mnist-ebgan.toml")

    def train(steps):
        return program.trained(None, f"data.path={digits}", f"train.steps={steps}", "train.threads=1", "train.device=cpu",
                               f"checkpoint.every={steps}", f"samples.every={steps}", "model.width=8",
                               "train.ema_half_life=2000")
    return train(STEPS)


def metrics(run, digits, *arguments):
    said = subprocess.run([VALLEY, "evaluate", run, "--data", digits, "--count", "1000", "--json", *arguments],
                          check=True, capture_output=True, text=True, timeout=300).stdout
    return {name: metric["value"] for name, metric in json.loads(said)["metrics"].items()}


def test_samples_come_nearer_to_the_digits(trained, digits):
    after, before = metrics(trained, digits), metrics(trained, digits, "--untrained")
    assert after["swd"] < FALLEN * before["swd"]
    assert after["distance_ratio"] > VARIED
    assert after["coverage"] > before["coverage"]
