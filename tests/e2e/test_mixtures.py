"""Training on a mixture of data sets: shares, exact resume, any number of ranks, and errors that name what differs."""

import json
import subprocess

import numpy as np
import pytest
from PIL import Image
from program import CONFIG, DATA, VALLEY, bits, checkpoint, reports, stats

HALF, WHOLE = 5, 10


def build(folder, name, images, *options):
    source = folder / f"{name}-source"
    for number, pixels in enumerate(images):
        path = source / f"{'ab'[number % 2]}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    data = folder / name
    subprocess.run([VALLEY, "shard", "build", "--source", source, "--dest", data, "--resolution", "32", "--jobs", "1", *options],
                   check=True, timeout=300, capture_output=True)
    return data


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Dark and bright images, whose means tell them apart."""
    folder = tmp_path_factory.mktemp("sets")
    random = np.random.default_rng(0)
    dark = build(folder, "dark", random.integers(0, 20, (24, 32, 32, 3), dtype=np.uint8))
    bright = build(folder, "bright", random.integers(235, 256, (40, 32, 32, 3), dtype=np.uint8))
    return folder, dark, bright


def mixture(*parts):
    return "data.path=" + json.dumps([[str(path), weight] for path, weight in parts])


def test_mixture_trains_resumes_and_does_not_depend_on_ranks(program, sets):
    _, dark, bright = sets
    words = (mixture((dark, 3), (bright, 1)), "train.reproducible=true", "checkpoint.every=1000")
    straight = program.trained(None, *words, f"train.steps={WHOLE}")
    assert f'path = [["{dark}", 3], ["{bright}", 1]]' in (straight / "config.toml").read_text()
    half = program.trained(2, *words, f"train.steps={HALF}")
    program.train(None, *words, "--resume", half, f"train.steps={WHOLE}")
    assert bits(checkpoint(half, WHOLE)) == bits(checkpoint(straight, WHOLE))
    cached = program.trained(None, *words, f"train.steps={WHOLE}", "performance.device_cache=on")
    assert bits(checkpoint(cached, WHOLE))["model.safetensors"] == bits(checkpoint(straight, WHOLE))["model.safetensors"]
    alone = program.trained(None, f"data.path={dark}", *words[1:], f"train.steps={WHOLE}")
    assert bits(checkpoint(alone, WHOLE)) != bits(checkpoint(straight, WHOLE))


def test_resume_with_other_data_or_weights_names_both(program, sets):
    folder, dark, bright = sets
    run = program.trained(None, mixture((dark, 3), (bright, 1)), "train.steps=2")
    for path in (mixture((dark, 1), (bright, 1)), f"data.path={dark}"):
        error = program.train(None, "--resume", run, path, "train.steps=3", expect=CONFIG).error
        assert "0.75 of" in error and ("0.5 of" in error or str(dark) in error)
    # Other weights of the same shares, and another place, are the same data.
    moved = folder / "moved"
    if not moved.exists():
        moved.symlink_to(dark)
    program.train(None, "--resume", run, mixture((moved, 0.75), (bright, 0.25)), "train.steps=3")
    assert [line["step"] for line in reports(run)] == [1, 2, 3]


def test_parts_of_other_shape_are_named(program, sets, faces_16):
    _, dark, _ = sets
    error = program.train(None, mixture((dark, 1), (faces_16, 1)), expect=CONFIG).error
    assert str(dark) in error and str(faces_16) in error and "32x32x3" in error and "16x16x3" in error
    error = program.train(None, mixture((dark, 1), (dark / "none", 1)), expect=66).error
    assert str(dark / "none") in error


DBN = """\
[data]
path = [["{0}", 1], ["{1}", 1]]
[model]
name = "dbn"
resolution = 32
channels = 1
layers = [8, 8]
labels = 2
[objective]
name = "dbn"
pretrain_epochs = 1
fine_tune_epochs = 1
[train]
global_batch = 8
device = "cpu"
[samples]
every = 1000
grid = "2x2"
"""


def test_labels_of_all_parts_are_checked(program, tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (16, 32, 32), dtype=np.uint8)
    first, second, unlabeled, renamed = (
        build(tmp_path, name, images[8 * (number % 2):], "--channels", "gray", *options)
        for number, (name, options) in enumerate([("first", ()), ("second", ()), ("unlabeled", ("--labels", "none")), ("renamed", ())]))
    (tmp_path / "renamed-source" / "b").rename(tmp_path / "renamed-source" / "c")
    subprocess.run([VALLEY, "shard", "build", "--source", tmp_path / "renamed-source", "--dest", renamed, "--resolution", "32",
                    "--channels", "gray", "--overwrite"], check=True, timeout=300, capture_output=True)
    config = tmp_path / "dbn.toml"
    config.write_text(DBN.format(first, second))
    run = program.trained(None, f"data.validation={second}", config=config)
    assert {"validation"} <= {line.get("event") for line in stats(run)}
    plan = program.train(None, f"data.validation={second}", "--dry-run", "--json", config=config)
    data = json.loads(plan.stdout)["data"]
    assert data["images"] == 24 and str(first) in data["path"] and "holds the training images" in plan.stderr
    config.write_text(DBN.format(first, unlabeled))
    error = program.train(None, config=config, expect=DATA).error
    assert "has no label" in error and str(unlabeled) in error
    config.write_text(DBN.format(first, renamed))
    error = program.train(None, config=config, expect=DATA).error
    assert "valley shard merge" in error and str(first) in error and str(renamed) in error


def test_samples_are_compared_with_all_images(program, sets):
    _, dark, bright = sets
    run = program.trained(None, mixture((dark, 1), (bright, 1)), "train.steps=2", "evaluate.every=2", "evaluate.samples=16")
    assert "evaluate" in {line.get("event") for line in stats(run)}
