"""Training of a deep belief network from class folders through all stages, stopped and resumed with, on
several ranks, with validation images; and errors for missing labels."""

import json
import os
import re
import signal

import numpy
import pytest
from PIL import Image
from program import CONFIG, DATA, STOPPED, Program, bits, checkpoint, has_reached, reports, stats, step_of
from safetensors.numpy import load_file

SIDE, BATCH = 16, 8
CLASSES = ("bar", "box", "dot")
IMAGES, UNSEEN = 13, 5  # a class
EPOCH = IMAGES * len(CLASSES) // BATCH
STEPS = EPOCH * (1 + 2 * 2 + 2)

TOML = """\
[data]
path = "{training}"
validation = "{validation}"
[model]
name = "dbn"
resolution = 16
channels = 1
layers = [12, 10]
labels = 3
[objective]
name = "dbn"
pretrain_epochs = 2
momentum_epochs = 1
fine_tune_epochs = 2
persistent_chains = true
[train]
global_batch = 8
microbatch = 2
reproducible = true
report_every = 1
device = "cpu"
[checkpoint]
every = 1000
[samples]
every = 1000
grid = "2x2"
"""


def draw(shape, rng):
    picture = rng.integers(0, 60, (SIDE, SIDE))
    x, y = rng.integers(2, 8, 2)
    if shape == "bar":
        picture[:, x:x + 3] = 220
    elif shape == "box":
        picture[y:y + 7, x:x + 7] = 220
    else:
        picture[y:y + 2, x:x + 2] = 250
    return Image.fromarray(picture.astype(numpy.uint8))


def write_images(folder, count, seed):
    rng = numpy.random.default_rng(seed)
    for shape in CLASSES:
        (folder / shape).mkdir(parents=True)
        for i in range(count):
            draw(shape, rng).save(folder / shape / f"{i:02}.png")
    return folder


def build(program, source, name, *options):
    shards = program.folder / name
    program.call("shard", "build", "--source", source, "--resolution", SIDE, "--channels", "gray", "--dest", shards,
                 "--jobs", 1, *options)
    return shards


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A program with labeled shards of shapes, and of others for validation."""
    folder = tmp_path_factory.mktemp("dbn")
    program = Program(folder, folder / "dbn.toml")
    training = build(program, write_images(folder / "a", IMAGES, 1), "training")
    validation = build(program, write_images(folder / "b", UNSEEN, 2), "validation")
    program.config.write_text(TOML.format(training=training, validation=validation))
    return program


@pytest.fixture(scope="module")
def straight(shapes):
    return shapes.trained(None, "checkpoint.every=1", "checkpoint.keep=0")


@pytest.fixture
def elsewhere(shapes, tmp_path):
    """The same config and data with an empty folder of runs."""
    return Program(tmp_path, shapes.config)


def test_training_runs_all_stages(straight):
    assert [line["step"] for line in reports(straight)] == list(range(1, STEPS + 1))
    epochs = [line["stage"] for line in stats(straight) if line.get("event") == "epoch"]
    assert epochs == ["measure", "layers.0", "layers.0", "layers.1", "layers.1", "fine-tune", "fine-tune"]
    assert reports(straight)[-1]["error/batch"] <= 0.75


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_training_is_bitwise_equal_on_any_number_of_ranks(elsewhere, straight, ranks):
    run = elsewhere.trained(ranks)
    assert bits(checkpoint(run)) == bits(checkpoint(straight))
    validations = [[line for line in stats(r) if line.get("event") == "validation"] for r in (run, straight)]
    assert validations[0] == validations[1]


def test_evaluation_of_too_few_chains_is_left_out_with_one_warning(elsewhere):
    result = elsewhere.train(2, "train.steps=3", "evaluate.every=1")
    assert result.stderr.count("the 4 chains of rank 0 are too few to compare with data") == 1
    assert not [line for line in stats(elsewhere.newest()) if line.get("event") == "evaluate"]


@pytest.mark.parametrize("step", [1, EPOCH, EPOCH + 3, 3 * EPOCH, 5 * EPOCH + 1])
def test_resume_in_any_stage_is_bitwise_equal(elsewhere, straight, step):
    elsewhere.train(2, "--resume", checkpoint(straight, step))
    assert bits(checkpoint(elsewhere.newest())) == bits(checkpoint(straight))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_training_can_end_within_a_layer(elsewhere, number):
    longer = ("objective.pretrain_epochs=20000", "data.validation=", "checkpoint.every=5")
    with elsewhere.start_training(2, *longer) as call:
        call.until(has_reached(elsewhere, EPOCH + 7))
        os.kill(call.rank(1), number)
        code = call.wait().code
    run = elsewhere.newest()
    assert (code == STOPPED) == (number == signal.SIGTERM)
    last = step_of(checkpoint(run)) + 3
    assert EPOCH + 5 < last < EPOCH * 20000
    elsewhere.train(None, *longer, f"train.steps={last}", "--resume", run)
    unbroken = elsewhere.folder / "unbroken"
    elsewhere.train(None, *longer, f"train.steps={last}", out=unbroken)
    assert bits(checkpoint(run)) == bits(checkpoint(elsewhere.newest(unbroken)))


def test_validation_is_measured_every_epoch(straight):
    lines = [line for line in stats(straight) if line.get("event") == "validation"]
    assert [line["step"] for line in lines] == [EPOCH * i for i in range(2, 8)]
    assert [line["stage"] for line in lines] == ["layers.0"] * 2 + ["layers.1"] * 2 + ["fine-tune"] * 2
    first, last = lines[0], lines[-1]
    assert first["free_energy/gap"] == pytest.approx(first["free_energy/validation"] - first["free_energy/train"])
    assert first["pseudo_likelihood/validation"] < 0 < first["reconstruction_error/train"]
    assert 0 <= last["error/validation"] <= 1 and last["cross_entropy/train"] > 0
    assert "layers.0: free_energy" in (straight / "log.txt").read_text()


def test_validation_does_not_change_training(elsewhere, straight):
    run = elsewhere.trained(None, "data.validation=")
    assert bits(checkpoint(run)) == bits(checkpoint(straight))
    assert not [line for line in stats(run) if line.get("event") == "validation"]
    # A resumed run accepts them repeatedly.
    elsewhere.train(None, f"train.steps={STEPS + 2}", "evaluate.validation_every=1", "--resume", run)
    assert [line["step"] for line in stats(run) if line.get("event") == "validation"] == [STEPS + 1, STEPS + 2]


def test_model_file_contains_every_layer(straight):
    model = load_file(checkpoint(straight) / "model.safetensors")
    assert model["layers.0.weight"].shape == (12, SIDE * SIDE)
    assert model["layers.1.weight"].shape == (10, 12)
    assert model["layers.1.visible_bias"].shape == (12,)
    assert model["output.weight"].shape == (3, 10)
    assert 0 < model["layers.0.pixel_mean"].mean() < 1
    state = load_file(checkpoint(straight) / "state.safetensors")
    assert state["objective.chains.0"].shape == (4, 2, 12)
    assert set(numpy.unique(state["objective.chains.0"])) == {0, 1}


def test_dry_run_lists_every_layer(elsewhere):
    plan = elsewhere.train(None, "--dry-run").stdout
    assert "layers.0: 3340 parameters" in plan and "rbm of bernoulli units" in plan
    assert f"length: {STEPS} steps" in plan
    work = {m[1]: float(m[2]) for m in re.finditer(r"# work per step of (\S+): (\S+) GFLOP", plan)}
    assert list(work) == ["measure", "layers.0", "layers.1", "fine-tune"]
    assert work["measure"] == 0
    # Down and up once, the two products of the gradient, one from the data; persistent chains go down once more.
    assert work["layers.0"] == pytest.approx(2 * BATCH * 6 * SIDE * SIDE * 12 / 1e9, rel=1e-3)
    assert not elsewhere.runs()


def test_earlier_key_name_works_with_one_warning(elsewhere):
    call = elsewhere.train(None, "objective.cooling_epochs=1", "--dry-run")
    assert "lr_decay_epochs = 1" in call.stdout
    warning = "command line: objective.cooling_epochs is deprecated; use objective.lr_decay_epochs"
    assert call.stderr.count("deprecated") == 1 and warning in call.stderr


def test_missing_labels_are_rejected_before_first_step(elsewhere):
    flat = build(elsewhere, elsewhere.config.parent / "a", "flat", "--labels", "none")
    refused = elsewhere.train(None, f"data.path={flat}", expect=DATA)
    assert str(flat) in refused.error and "image 0" in refused.error and "has no label" in refused.error
    assert "docs/sharding.md" in refused.error
    refused = elsewhere.train(2, f"data.validation={flat}", expect=DATA)
    assert str(flat) in refused.error and "has no label" in refused.error
    assert not elsewhere.runs()
    # Without classes none are needed.
    elsewhere.train(None, f"data.path={flat}", "data.validation=", "model.labels=0", "objective.fine_tune_epochs=0")


def test_more_classes_than_model_labels_are_rejected(elsewhere):
    refused = elsewhere.train(None, "model.labels=2", expect=DATA)
    assert "has label 2" in refused.error and "model.labels to the number of classes, 3" in refused.error


def test_validation_with_other_class_labels_is_rejected(elsewhere):
    other = elsewhere.folder / "other"
    for shape in ("bar", "dot"):
        (other / shape).mkdir(parents=True)
        (other / shape / "0.png").write_bytes((elsewhere.config.parent / "a" / shape / "00.png").read_bytes())
    refused = elsewhere.train(None, f"data.validation={build(elsewhere, other, 'two')}", expect=DATA)
    assert "number their classes differently" in refused.error and "bar, box, dot" in refused.error


@pytest.mark.parametrize("override, said", [
    ("model.layers=[]", "model.layers is empty"),
    ("model.labels=0", "objective.fine_tune_epochs = 2 trains a classifier"),
    ("objective.fine_tune_epochs=0", "only fine-tuning trains"),
    ("model.resolution=32", "model.resolution"),
    ("objective.name=began", "model.name"),
])
def test_invalid_dbn_configs_are_rejected(elsewhere, override, said):
    assert said in elsewhere.train(None, override, expect=CONFIG).error


def test_validation_without_images_is_rejected(elsewhere):
    refused = elsewhere.train(None, "data.validation=", "evaluate.validation_every=5", expect=CONFIG)
    assert "data.validation" in refused.error


def test_validation_on_training_images_is_warned_about(elsewhere):
    said = elsewhere.train(None, f"data.validation={elsewhere.config.parent / 'training'}", "train.steps=1").stderr
    assert "holds the training images" in said


def test_report_shows_validation(elsewhere, straight):
    page = elsewhere.folder / "page.html"
    elsewhere.call("report", straight, "-o", page)
    text = page.read_text()
    for title in ("Free energy", "Pseudo-likelihood", "Classification error"):
        assert json.dumps(title) in text, title
