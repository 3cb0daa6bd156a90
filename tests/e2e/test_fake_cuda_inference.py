"""Inference on fake GPUs (tests/fake_cuda) compared with the CPU: samples, restored images, energies and metrics."""

import json

import numpy
import pytest
from fake_gpus import OBJECTIVES, needs_fake_gpus
from PIL import Image
from safetensors.numpy import load_file

pytestmark = needs_fake_gpus


@pytest.fixture(scope="module")
def model(shared_gpus):
    """Cached runs of a few steps, by objective."""
    runs = {}

    def run(name):
        if name not in runs:
            runs[name] = shared_gpus.trained(None, *OBJECTIVES[name], "train.steps=3", "evaluate.every=0", "train.reproducible=true")
        return runs[name]
    return run


@pytest.mark.parametrize("name, options", [
    ("began", ("--seeds", "0-3")), ("began", ("--seeds", "0,5", "--interpolate", "3")),
    ("began", ("--langevin", "--from", "generator", "--seeds", "0-2", "--steps", "3", "--trajectory", "way.png")),
    ("ebm", ("--seeds", "0-3", "--steps", "5"))])
def test_gpu_samples_match_cpu(model, gpus, name, options):
    options = [str(gpus.folder / word) if word.endswith(".png") else word for word in options]
    pictures = []
    for device in "cpu", "cuda":
        out = gpus.folder / f"{device}.png"
        gpus.call("sample", model(name), *options, "--device", device, "-o", out)
        pictures.append(numpy.asarray(Image.open(out)).astype(int))
    assert pictures[0].std() > 1
    assert abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize("name, method", [("began", "code"), ("began", "project"), ("began", "langevin"), ("ebm", "gradient")])
def test_gpu_restoration_matches_cpu(model, gpus, faces, faces_16, name, method):
    data = faces if name == "ebm" else faces_16
    noise = ("--noise", "0.1") if method in ("project", "langevin") else ("--box", "8x8")
    restored = []
    for device in "cpu", "cuda":
        out = gpus.folder / f"{device}.safetensors"
        gpus.call("restore", model(name), "--data", data, "--index", "0-2", *noise, "--method", method, "--steps", "3", "--device", device,
                  "-o", gpus.folder / "restored.png", "--strip", gpus.folder / "strip.png", "--save", out)
        restored.append(load_file(out)["restored"].astype(int))
    assert abs(restored[0] - restored[1]).max() <= 1


@pytest.mark.parametrize("command", ["energy", "evaluate"])
def test_gpu_inference_matches_cpu(model, gpus, faces_16, command):
    options = ("--data", faces_16) if command == "energy" else ("--data", faces_16, "--count", "12")
    results = [json.loads(gpus.call(command, model("began"), *options, "--device", device, "--json").stdout) for device in ("cpu", "cuda")]
    numbers = [list(all_numbers(result)) for result in results]
    assert len(numbers[0]) == len(numbers[1]) > 3
    assert numpy.allclose(*numbers, rtol=2e-2, atol=1e-3)


def all_numbers(value):
    if isinstance(value, dict):
        for part in value.values():
            yield from all_numbers(part)
    elif isinstance(value, list):
        for part in value:
            yield from all_numbers(part)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
