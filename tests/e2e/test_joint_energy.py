"""EBMs with classes: energies E(x, y) trained with labels, partly labeled data, `valley classify` and conditional chains."""

import json
import sys

import h5py
import numpy
import pytest
import torch
from PIL import Image
from program import CONFIG, DATA, REPOSITORY, USAGE, Program, bits, checkpoint, reports
from safetensors.torch import load_file

sys.path.append(str(REPOSITORY / "examples"))
import networks_in_pytorch

SIDE, CLASSES, LAST = 28, 3, 8
JEM = ("objective.supervised=nll", "objective.data_noise=0.03")
CLASSIFIER = ("objective.supervised=nll", "objective.generative_weight=0")


def draw(folder, kinds, count, seed):
    """Images of a bright square at the left, in the middle or at the right; folders by class if `kinds` are named."""
    rng = numpy.random.default_rng(seed)
    for kind in kinds:
        place = folder / str(kind)
        place.mkdir(parents=True)
        for i in range(count):
            picture = numpy.zeros((SIDE, SIDE), numpy.uint8)
            y, x = rng.integers(2, 18), 1 + 9 * kind
            picture[y:y + 8, x:x + 8] = rng.integers(150, 256)
            Image.fromarray(picture).save(place / f"{i:03}.png")


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    draw(folder / "train", range(CLASSES), 32, 0)
    draw(folder / "test", range(CLASSES), 20, 1)
    draw(folder / "more", [1], 32, 2)
    config = folder / "joint.toml"
    config.write_text(f"""\
[data]
path = "{folder / 'train-28'}"
[model]
name = "ebm"
resolution = {SIDE}
channels = 1
width = 6
labels = {CLASSES}
[objective]
name = "ebm"
langevin_steps = 3
replay_size = 64
[train]
global_batch = 16
microbatch = 4
steps = {LAST}
threads = 1
device = "cpu"
reproducible = true
report_every = 1
[optimizer]
lr = 3e-3
[checkpoint]
every = 4
[samples]
every = {LAST}
grid = "4x{CLASSES}"
""")
    program = Program(folder, config)
    for name, labels in (("train", ()), ("test", ()), ("more", ("--labels", "none"))):
        program.call("shard", "build", "--source", folder / name, "--dest", folder / f"{name}-28", "--resolution", SIDE, "--channels", "gray",
                     "--jobs", 1, *labels)
    return program


@pytest.fixture(scope="module")
def classifier(squares):
    """A run that was trained until it tells the squares apart."""
    return squares.trained(None, *CLASSIFIER, "train.steps=60", f"data.validation={squares.folder / 'test-28'}", "evaluate.validation_every=30")


def test_joint_training_is_bitwise_equal_on_any_number_of_ranks_and_after_resume(squares):
    one = squares.trained(None, *JEM)
    assert all({"loss/supervised", "error", "energy/gap"} <= set(line) for line in reports(one))
    for ranks in (2, 4):
        assert bits(checkpoint(squares.trained(ranks, *JEM), LAST)) == bits(checkpoint(one, LAST))
    resumed = squares.trained(2, *JEM, "--resume", checkpoint(one, 4))
    assert bits(checkpoint(resumed, LAST)) == bits(checkpoint(one, LAST))


def test_images_without_labels_train_the_generative_term(squares):
    mixed = f'data.path=[["{squares.folder / "train-28"}", 3], ["{squares.folder / "more-28"}", 1]]'
    assert "32 of 128 images have no label and train only the generative term" in squares.train(2, *JEM, mixed).stderr
    run = squares.newest()
    assert bits(checkpoint(run, LAST)) == bits(checkpoint(squares.trained(None, *JEM, mixed), LAST))
    error = squares.call("train", squares.config, *CLASSIFIER, mixed, expect=DATA).error
    assert "has no label" in error
    error = squares.call("train", squares.config, *JEM, f"data.path={squares.folder / 'more-28'}", expect=DATA).error
    assert "no image has a label" in error


def test_classifier_learns_and_equals_pytorch(squares, classifier):
    shards = squares.folder / "test-28"
    answer = json.loads(squares.call("classify", classifier, "--data", shards, "-o", squares.folder / "c.jsonl", "--json").stdout)
    assert answer["labelled"]["accuracy"] > 0.9
    tensors = load_file(checkpoint(classifier) / "model.safetensors")
    network = networks_in_pytorch.Energy({"resolution": SIDE, "channels": 1, "width": 6, "spectral_norm": True, "labels": CLASSES})
    network.load_state_dict({name.removeprefix("energy."): value for name, value in tensors.items() if name.startswith("energy.")})
    with h5py.File(next(shards.glob("shard-*.h5"))) as file:
        pixels = torch.from_numpy(file["images"][:]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = torch.softmax(-network.class_energies(pixels), 1)
    lines = [json.loads(line) for line in (squares.folder / "c.jsonl").read_text().splitlines()]
    assert numpy.allclose([line["probabilities"] for line in lines], expected, atol=1e-4)
    assert reports(classifier)[-1]["error"] < 0.2


def test_conditional_chains_descend_the_energy_of_their_class(squares, classifier):
    out = squares.folder / "each.png"
    result = squares.call("sample", classifier, "--seeds", "0-3", "--label", "each", "--steps", "20", "-o", out, "--json")
    assert json.loads(result.stdout)["samples"] == 4 * CLASSES
    rows = numpy.asarray(Image.open(out)).astype(int)

    def row(*arguments):
        squares.call("sample", classifier, "--seeds", "0-3", *arguments, "--grid", "4x1", "--steps", "20", "-o", out)
        return numpy.asarray(Image.open(out)).astype(int)

    one, step = row("--label", "1"), (rows.shape[0] - 2) // CLASSES
    assert abs(rows[step:step + one.shape[0]] - one).max() <= 1  # batches may round differently
    assert (row("--label", "0") != one).any() and (row() != one).any()  # the last one: E(x)
    error = squares.call("sample", classifier, "--seeds", "0-3", "--label", "0..2", "-o", out, expect=USAGE).error
    assert "--label 0..2" in error
    error = squares.call("sample", classifier, "--seeds", "0-3", "--label", "3", "-o", out, expect=USAGE).error
    assert "classes 0 to 2" in error


@pytest.mark.parametrize("overrides, said", [
    (("model.labels=0", "objective.supervised=nll"), "model.labels = 0"),
    (("objective.supervised=none",), "objective.supervised = \"nll\""),
    (("model.labels=0", "objective.generative_weight=0"), "leave no loss"),
    (("objective.supervised=nll", "objective.generative_weight=0", "objective.r1_weight=1"), "objective.r1_weight"),
    (("objective.supervised=triplet",), "objective.supervised"),
])
def test_combinations_without_sense_are_rejected(squares, overrides, said):
    assert said in squares.call("train", squares.config, *overrides, "--dry-run", expect=CONFIG).error
