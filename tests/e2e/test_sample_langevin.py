"""`valley sample --langevin`: chains on the energy of any model, and their trajectories."""

import json

import numpy
import pytest
from PIL import Image
from program import CANNOT_WRITE, USAGE
from safetensors.numpy import load_file

SIDE = 32


@pytest.fixture(scope="module")
def gan(shared_program):
    return shared_program.trained(None, "train.steps=6")


@pytest.fixture(scope="module")
def ebm(shared_program):
    return shared_program.trained(None, "objective.name=ebm", "model.name=ebm", "model.width=4",
                                  "objective.langevin_steps=4", "objective.replay_size=48", "train.steps=4")


def draw(program, run, *arguments, name="out.png"):
    file = program.folder / name
    said = program.call("sample", run, *arguments, "-o", file).stderr
    with Image.open(file) as image:
        return numpy.asarray(image), said


def test_langevin_option_equals_default_sampling_of_energies(program, ebm):
    plain, _ = draw(program, ebm, "--seeds", "5-8", "--steps", "6")
    asked, said = draw(program, ebm, "--seeds", "5-8", "--steps", "6", "--langevin")
    assert numpy.array_equal(plain, asked)
    assert "step size 10, noise 0.005, clamp 0.01" in said
    still, _ = draw(program, ebm, "--seeds", "5-8", "--steps", "6", "--step-size", "0", "--chain-noise", "0")
    assert not numpy.array_equal(still, asked)


def test_autoencoder_energy_decreases_along_chains(program, gan):
    out = program.folder / "way.jsonl"
    picture = program.folder / "way.png"
    draw(program, gan, "--langevin", "--seeds", "3,7-8", "--steps", "20", "--columns", "5", "--trajectory", picture,
         "--trajectory-out", out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["seed"] for line in lines] == [3] * 5 + [7] * 5 + [8] * 5
    assert [line["step"] for line in lines[:5]] == [0, 5, 10, 15, 20]
    for seed in (3, 7, 8):
        energies = [line["energy"] for line in lines if line["seed"] == seed]
        assert energies[-1] < energies[0]
    with Image.open(picture) as image:
        assert image.width > 5 * 64 and image.height > 3 * 64


def test_chains_from_generator_start_at_its_samples(program, gan):
    out = program.folder / "way.safetensors"
    end, said = draw(program, gan, "--from", "generator", "--seeds", "4-5", "--steps", "3", "--trajectory-out", out)
    samples, _ = draw(program, gan, "--seeds", "4-5", name="samples.png")
    way = load_file(out)
    assert "from generator" in said
    assert way["steps"].tolist() == [0, 1, 2, 3] and way["seeds"].tolist() == [4, 5]
    assert way["images"].shape == (2, 4, SIDE, SIDE, 3) and way["energies"].shape == (2, 4)
    first = samples[2:2 + SIDE, 2:2 + SIDE].astype(int)
    assert abs(way["images"][0, 0].astype(int) - first).max() <= 1  # floor(256 x) of x = byte / 255
    assert numpy.array_equal(way["images"][1, 3], end[2:2 + SIDE, 4 + SIDE:4 + 2 * SIDE])


@pytest.mark.parametrize(("arguments", "expect", "words"), [
    (["--steps", "3"], USAGE, "--langevin"),
    (["--langevin", "--interpolate", "3"], USAGE, "no latent vectors"),
    (["--langevin", "--steps", "0"], USAGE, "--steps 0"),
    (["--langevin", "--step-size", "-1"], USAGE, "--step-size"),
    (["--trajectory-out", "way.npy"], USAGE, ".jsonl or .safetensors"),
    (["--trajectory", "nowhere/way.png"], CANNOT_WRITE, "nowhere"),
    (["--trajectory", "OUT"], USAGE, "same file"),
    (["--trajectory", "way.png", "--seeds", "0-256"], USAGE, "at most 256"),
])
def test_invalid_options_are_rejected(program, gan, arguments, expect, words):
    out = program.folder / "out.png"
    given = [out if word == "OUT" else word for word in arguments]
    given += [] if "--seeds" in given else ["--seeds", "0-1"]
    result = program.call("sample", gan, *given, "-o", out, expect=expect)
    assert words in result.error
    assert not out.exists()


def test_from_generator_is_rejected_for_energies(program, ebm):
    result = program.call("sample", ebm, "--from", "generator", "-o", program.folder / "out.png", expect=USAGE)
    assert "no generator" in result.error
