"""Use of a trained deep belief network: samples of classes, chains, filters, log Z, restored images; and rejected
arguments."""

import json

import numpy
import pytest
from PIL import Image
from program import MISSING, USAGE, Program, checkpoint, stats
from safetensors.numpy import load_file

SIDE = 16
KINDS = ("left", "middle", "right")  # where a small bright square stands
SEEDS = ("--seeds", "0-4")


def draw(kind, rng):
    picture = numpy.zeros((SIDE, SIDE), numpy.uint8)
    y = rng.integers(5, 8)
    x = 1 + 5 * KINDS.index(kind)
    picture[y:y + 4, x:x + 4] = 255
    return picture


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A program, its config, and labeled shards that it trains with."""
    folder = tmp_path_factory.mktemp("use")
    rng = numpy.random.default_rng(0)
    for kind in KINDS:
        (folder / "images" / kind).mkdir(parents=True)
        for i in range(16):
            Image.fromarray(draw(kind, rng)).save(folder / "images" / kind / f"{i:02}.png")
    config = folder / "dbn.toml"
    config.write_text(f"""\
[data]
path = "{folder / 'shards'}"
[model]
name = "dbn"
resolution = {SIDE}
channels = 1
layers = [24]
labels = 3
label_units = true
[objective]
name = "dbn"
pretrain_epochs = 200
persistent_chains = true
[train]
global_batch = 24
threads = 1
device = "cpu"
[optimizer]
lr = 0.02
momentum = 0.0
[samples]
grid = "2x2"
""")
    program = Program(folder, config)
    program.call("shard", "build", "--source", folder / "images", "--dest", folder / "shards", "--resolution", SIDE,
                 "--channels", "gray", "--jobs", 1)
    return program


@pytest.fixture(scope="module")
def labeled(pictures):
    return pictures.trained(None)


@pytest.fixture(scope="module")
def deep(pictures):
    return pictures.trained(None, "model.layers=[24,20]", "objective.pretrain_epochs=20")


@pytest.fixture(scope="module")
def tuned(pictures):
    """With an output layer."""
    return pictures.trained(None, "model.label_units=false", "objective.pretrain_epochs=1",
                            "objective.fine_tune_epochs=1")


@pytest.fixture
def elsewhere(pictures, tmp_path):
    return Program(tmp_path, pictures.config)


def cells(file, columns):
    """The images of a grid [n, SIDE, SIDE]."""
    picture = numpy.asarray(Image.open(file))
    rows = (picture.shape[0] - 2) // (SIDE + 2)
    assert picture.shape == (rows * (SIDE + 2) + 2, columns * (SIDE + 2) + 2)
    places = [(2 + i // columns * (SIDE + 2), 2 + i % columns * (SIDE + 2)) for i in range(rows * columns)]
    return numpy.stack([picture[y:y + SIDE, x:x + SIDE] for y, x in places]).astype(float)


def kind_of(image):
    return KINDS[numpy.argmax([image[:, x:x + 4].sum() for x in (1, 6, 11)])]


def sample(program, run, *arguments, out="samples.png", **how):
    return program.call("sample", run, *arguments, "-o", program.folder / out, "--json", **how)


def test_each_row_of_samples_has_its_class(elsewhere, labeled):
    """Far more than by chance: a label is one unit beside the pixels, and chains stay for long where they came to."""
    answer = sample(elsewhere, labeled, "--seeds", "0-19", "--label", "each", "--steps", "300")
    assert json.loads(answer.stdout)["samples"] == 60
    images = cells(elsewhere.folder / "samples.png", 20)
    assert sum(kind_of(image) == KINDS[i // 20] for i, image in enumerate(images)) >= 40


def test_sample_depends_on_seed_and_class_only(elsewhere, labeled):
    sample(elsewhere, labeled, *SEEDS, "--label", "each", "--steps", "30")
    all_of_them = cells(elsewhere.folder / "samples.png", 5)
    sample(elsewhere, labeled, "--seeds", "3", "--label", "1", "--steps", "30")
    [alone] = cells(elsewhere.folder / "samples.png", 1)
    assert numpy.array_equal(alone, all_of_them[8])


def test_many_samples_of_a_class_are_those_of_the_grid(elsewhere, labeled):
    sample(elsewhere, labeled, "--seeds", "3-42", "--grid", "40x1", "--label", "1", "--steps", "30")
    folder = elsewhere.folder / "drawn"
    elsewhere.call("sample", labeled, "--to", folder, "--first", "3", "--count", "40", "--label", "1", "--steps", "30", ranks=2)
    many = []
    for file in sorted(folder.glob("*.png")):
        with Image.open(file) as image:
            many.append(numpy.asarray(image))
    assert numpy.array_equal(many, cells(elsewhere.folder / "samples.png", 40))
    error = elsewhere.call("sample", labeled, "--to", folder, "--first", "3", "--count", "40", "--label", "2", "--steps", "30", expect=73).error
    assert 'label: "1" there, "2" now' in error


@pytest.mark.parametrize("name", ["labeled", "deep", "tuned"])
def test_unconditional_samples_are_drawn(request, elsewhere, name):
    run = request.getfixturevalue(name)
    first = sample(elsewhere, run, *SEEDS, "--steps", "20", out="a.png")
    sample(elsewhere, run, *SEEDS, "--steps", "20", out="b.png")
    assert (elsewhere.folder / "a.png").read_bytes() == (elsewhere.folder / "b.png").read_bytes()
    assert json.loads(first.stdout)["mean_pairwise_distance"] > 0
    sample(elsewhere, run, *SEEDS, "--steps", "20", "--pixels", "drawn", out="b.png")
    assert set(numpy.unique(cells(elsewhere.folder / "b.png", 3)[:5])) == {0, 255}


def test_trajectory_files_contain_the_chains(elsewhere, labeled):
    folder = elsewhere.folder
    sample(elsewhere, labeled, "--seeds", "2,7", "--label", "each", "--steps", "40", "--columns", "5", "--trajectory",
           folder / "way.png", "--trajectory-out", folder / "way.safetensors")
    way = load_file(folder / "way.safetensors")
    assert way["images"].shape == (6, 5, SIDE, SIDE, 1) and way["energies"].shape == (6, 5)
    assert way["steps"].tolist() == [0, 10, 20, 30, 40] and way["seeds"].tolist() == [2, 7] * 3
    ends = cells(folder / "samples.png", 2)
    assert numpy.abs(way["images"][:, -1, :, :, 0] - ends).max() <= 1
    picture = Image.open(folder / "way.png")
    assert picture.size[0] > 5 * SIDE and picture.size[1] > 6 * SIDE
    sample(elsewhere, labeled, "--seeds", "2,7", "--label", "2", "--steps", "10", "--columns", "2", "--trajectory-out",
           folder / "way.jsonl")
    lines = [json.loads(line) for line in (folder / "way.jsonl").read_text().splitlines()]
    assert [(line["label"], line["seed"], line["step"]) for line in lines] == [(2, 2, 0), (2, 2, 10), (2, 7, 0),
                                                                                (2, 7, 10)]


def test_filters_match_the_weights(elsewhere, labeled, deep):
    answer = json.loads(sample(elsewhere, labeled, "--filters", "--grid", "4x2").stdout)
    assert answer["filters"] == 8 and answer["units"] == 24 and answer["layer"] == 1
    weights = load_file(checkpoint(labeled) / "model.safetensors")["layers.0.weight"]
    order = numpy.argsort(-numpy.linalg.norm(weights, axis=1))[:8]
    expected = numpy.clip(weights[order] / answer["scale"] * 127.5 + 128, 0, 255).reshape(8, SIDE, SIDE)
    assert numpy.abs(cells(elsewhere.folder / "samples.png", 4) - expected).max() <= 1.01
    answer = json.loads(sample(elsewhere, deep, "--filters", "--layer", "2").stdout)
    assert answer["filters"] == 20 and answer["layer"] == 2


def test_langevin_sampling_of_a_dbn(elsewhere, labeled):
    sample(elsewhere, labeled, *SEEDS, "--langevin", "--steps", "3")
    assert cells(elsewhere.folder / "samples.png", 3).shape == (6, SIDE, SIDE)


@pytest.mark.parametrize(("name", "arguments", "words"), [
    ("tuned", ["--label", "1"], "output layer"),
    ("labeled", ["--label", "3"], "0 to 2"),
    ("labeled", ["--label", "two"], "the index of a class, or each"),
    ("labeled", ["--steps", "0"], "--steps 0"),
    ("labeled", ["--layer", "1"], "--filters"),
    ("labeled", ["--filters", "--layer", "2"], "layers 1 to 1"),
    ("labeled", ["--filters", "--label", "each"], "--label"),
    ("labeled", ["--label", "1", "--langevin"], "Langevin"),
    ("labeled", ["--interpolate", "3"], "no latent vectors"),
])
def test_invalid_options_are_rejected(request, elsewhere, name, arguments, words):
    result = sample(elsewhere, request.getfixturevalue(name), *SEEDS, *arguments, expect=USAGE)
    assert words in result.error
    assert not (elsewhere.folder / "samples.png").exists()


def test_unknown_classes_are_rejected(elsewhere):
    run = elsewhere.trained(None, "model.labels=0", "model.label_units=false", "objective.pretrain_epochs=0")
    result = sample(elsewhere, run, "--label", "each", expect=USAGE)
    assert "no label units" in result.error
    sample(elsewhere, elsewhere.folder / "nowhere", "--filters", expect=MISSING)


def test_log_z_is_bitwise_equal_on_any_number_of_ranks(elsewhere, pictures, labeled, deep):
    data = ("--data", pictures.folder / "shards", "--device", "cpu", "--json", "--log-z")
    few = ("--ais-temperatures", "300", "--ais-chains", "60")
    answers = [elsewhere.call("energy", labeled, *data, *few, ranks=ranks).stdout for ranks in (None, 2, 4)]
    assert answers[0] == answers[1] == answers[2]
    found = json.loads(answers[0])
    assert 0 < found["log_z_stderr"] and 1 <= found["log_z_effective_chains"] <= found["log_z_chains"] == 60
    assert found["log_likelihood"] == pytest.approx(-found["data"]["mean"] - found["log_z"], rel=1e-4)
    other = json.loads(elsewhere.call("energy", labeled, *data, *few, "--seed", "1").stdout)
    assert other["log_z"] != found["log_z"]
    assert other["log_z"] == pytest.approx(found["log_z"], abs=5)
    exact = json.loads(elsewhere.call("energy", deep, *data).stdout)
    assert exact["log_z_chains"] == 0 and exact["log_z_stderr"] == 0 and exact["log_likelihood_bound"] < 0
    assert "log_likelihood_bound" in elsewhere.call("energy", deep, *data[:4], "--log-z").stdout


def test_log_z_of_other_models_is_rejected(program, faces):
    run = program.trained(None, "train.steps=1")
    result = program.call("energy", run, "--data", faces, "--log-z", expect=USAGE)
    assert "--log-z" in result.error and "began" in result.error
    assert "--log-z" in program.call("energy", run, "--data", faces, "--ais-chains", "5", expect=USAGE).error
    assert "deep belief" in program.call("sample", run, "--filters", "-o", program.folder / "a.png",
                                         expect=USAGE).error


def test_gibbs_restores_hidden_pixels(elsewhere, pictures, labeled):
    folder = elsewhere.folder
    answer = elsewhere.call("restore", labeled, "--data", pictures.folder / "shards", "--index", "0-5", "--box", "6x6",
                            "--json", "-o", folder / "r.png", "--save", folder / "r.safetensors")
    assert json.loads(answer.stdout)["method"].startswith("gibbs: ")
    tensors = load_file(folder / "r.safetensors")
    known = tensors["unknown"] == 0
    assert numpy.array_equal(tensors["restored"][known], tensors["truth"][known])
    unknown = ~known

    def error(name):
        return numpy.square(tensors[name][unknown].astype(float) - tensors["truth"][unknown]).mean()

    assert error("restored") < 0.5 * error("filled")
    answer = elsewhere.call("restore", labeled, "--data", pictures.folder / "shards", "--index", "0-5", "--noise", "0.3",
                            "--json", "-o", folder / "r.png", "--save", folder / "n.safetensors")
    tensors = load_file(folder / "n.safetensors")
    restored, damaged, truth = (tensors[name].astype(float) for name in ("restored", "damaged", "truth"))
    assert numpy.square(restored - truth).mean() < 0.5 * numpy.square(damaged - truth).mean()


def test_samples_are_evaluated_during_and_after_training(elsewhere, pictures, labeled):
    run = elsewhere.trained(None, "objective.pretrain_epochs=3", "evaluate.every=8", "evaluate.samples=20")
    lines = [line for line in stats(run) if line.get("event") == "evaluate"]
    assert lines and all(line["samples"] > 0 for line in lines)
    answer = json.loads(elsewhere.call("evaluate", labeled, "--data", pictures.folder / "shards", "--count", "24",
                                       "--steps", "20", "--json", ranks=2).stdout)
    assert answer == json.loads(elsewhere.call("evaluate", labeled, "--data", pictures.folder / "shards", "--count",
                                               "24", "--steps", "20", "--json").stdout)
