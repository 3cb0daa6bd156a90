"""`valley sample`: the grid of training, from a run, a checkpoint or a model file."""

import json
import shutil

import numpy
import pytest
from PIL import Image
from program import DATA, MISSING, USAGE, checkpoint, flip
from safetensors.numpy import load_file

STEPS = 6


@pytest.fixture(scope="module")
def run(shared_program):
    """A run with two checkpoints and a grid of 64 samples of the last step."""
    return shared_program.trained(None, f"train.steps={STEPS}", "checkpoint.every=3", "samples.grid=8x8",
                                  "train.ema_half_life=32")


@pytest.fixture
def draw(program):
    """Samples and returns the image; further keywords go to the call."""
    def draw_from(model, *arguments, name="picture.png"):
        file = program.folder / name
        program.call("sample", model, *arguments, "-o", file)
        return file
    return draw_from


def pixels(file):
    with Image.open(file) as image:
        return numpy.asarray(image)


def tile(picture, row, column):
    """An image of a grid: 32 pixels, 2 of white around each."""
    y, x = 2 + row * 34, 2 + column * 34
    return picture[y:y + 32, x:x + 32]


def test_sample_grid_equals_the_grid_of_training(draw, run):
    trained = pixels(run / f"fakes-{STEPS:08}.png")
    assert trained.shape == (8 * 34 + 2, 8 * 34 + 2, 3)
    assert numpy.array_equal(pixels(draw(run, "--seeds", "0-63")), trained)


def test_averaged_weights_are_used_unless_raw_is_set(draw, run):
    averaged, raw = draw(run, name="averaged.png"), draw(run, "--raw", name="raw.png")
    assert not numpy.array_equal(pixels(averaged), pixels(raw))


def test_same_seeds_give_the_same_bytes(draw, run):
    assert draw(run, name="a.png").read_bytes() == draw(run, name="b.png").read_bytes()


def test_image_of_a_seed_does_not_depend_on_other_seeds(draw, run):
    many, one = pixels(draw(run, "--seeds", "3,17,5-8")), pixels(draw(run, "--seeds", "17", name="one.png"))
    assert many.shape == (2 * 34 + 2, 3 * 34 + 2, 3)
    assert numpy.array_equal(tile(many, 0, 1), tile(one, 0, 0))
    assert not numpy.array_equal(tile(many, 0, 0), tile(one, 0, 0))


def test_run_checkpoint_and_file_load_the_same_model(draw, run, tmp_path):
    lone = shutil.copy(checkpoint(run) / "model.safetensors", tmp_path / "lone.safetensors")
    pictures = [draw(model, name=f"{i}.png").read_bytes()
                for i, model in enumerate([run, run / "checkpoints", checkpoint(run), lone])]
    assert set(pictures) == {pictures[0]}
    assert draw(checkpoint(run, 3), name="earlier.png").read_bytes() != pictures[0]


def test_interpolation_is_linear_between_seeds(draw, run):
    walk = pixels(draw(run, "--seeds", "3,17,5", "--interpolate", "4"))
    ends = pixels(draw(run, "--seeds", "3,17,5", "--grid", "3x1", name="ends.png"))
    assert walk.shape == (2 * 34 + 2, 4 * 34 + 2, 3)
    for row, column, seed in [(0, 0, 0), (0, 3, 1), (1, 0, 1), (1, 3, 2)]:
        assert numpy.array_equal(tile(walk, row, column), tile(ends, 0, seed))
    assert not numpy.array_equal(tile(walk, 0, 1), tile(walk, 0, 0))


def test_largest_seed_is_accepted(draw, run):
    largest = 2**64 - 1
    last = pixels(draw(run, "--seeds", f"{largest - 1}-{largest}"))
    assert last.shape[1] == 2 * 34 + 2
    assert not numpy.array_equal(tile(last, 0, 0), tile(last, 0, 1))


def test_empty_grid_cells_are_white(draw, run):
    picture = pixels(draw(run, "--seeds", "0-2", "--grid", "2x2"))
    assert picture.shape == (2 * 34 + 2, 2 * 34 + 2, 3)
    assert (tile(picture, 1, 1) == 255).all()
    assert not (tile(picture, 1, 0) == 255).all()


def test_json_describes_the_output(program, run):
    file, saved = program.folder / "p.png", program.folder / "latents.safetensors"
    result = program.call("sample", run, "--seeds", "0-3", "--json", "--save-latents", saved, "-o", file)
    told = json.loads(result.stdout)
    assert told["file"] == str(file)
    assert told["samples"] == 4
    assert told["averaged"] is True
    assert told["model"] == str(checkpoint(run) / "model.safetensors")
    latents, drawn = (load_file(saved)[name] for name in ("latents", "pixels"))
    assert latents.shape == (4, 8)
    assert (numpy.abs(latents) <= 1).all()
    assert numpy.array_equal(drawn[3], tile(pixels(file), 1, 1))
    pairs = [numpy.sqrt(((drawn[i].astype(float) - drawn[j]) ** 2).mean()) / 255 for i in range(4) for j in range(i)]
    assert told["mean_pairwise_distance"] == pytest.approx(numpy.mean(pairs), rel=1e-5)


@pytest.mark.parametrize("arguments", [
    ["--seeds", "three"], ["--seeds", ""], ["--seeds", "5-3"], ["--seeds", "1,,2"], ["--seeds", "-1"], ["--seeds", "0-"],
    ["--seeds", "0-99999999"], ["--seeds", "18446744073709551616"], ["--grid", "8"], ["--grid", "2x2"], ["--grid", "8x8x"], ["--interpolate", "1"],
    ["--interpolate", "-3"], ["--seeds", "1", "--interpolate", "4"],
])
def test_invalid_command_line_is_rejected(program, run, arguments):
    file = program.folder / "p.png"
    result = program.call("sample", run, *arguments, "-o", file, expect=USAGE)
    assert arguments[-2] in result.stderr
    assert not file.exists()


def test_missing_model_has_its_exit_code(program, run):
    file = program.folder / "p.png"
    for model in (run / "nothing", run / "stats.jsonl", run / "checkpoints" / "step-00000099", program.folder):
        assert str(model) in program.call("sample", model, "-o", file, expect=MISSING).error


def test_damaged_checkpoint_is_rejected_and_run_uses_earlier_one(program, draw, run):
    copy = shutil.copytree(run, program.folder / "copy")
    flip(checkpoint(copy, STEPS) / "model.safetensors", 5000)
    error = program.call("sample", checkpoint(copy, STEPS), "-o", program.folder / "p.png", expect=DATA).error
    assert str(checkpoint(copy, STEPS) / "model.safetensors") in error
    assert draw(copy).read_bytes() == draw(checkpoint(run, 3), name="earlier.png").read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "no header", "empty", "lacks a tensor's data", "not of Valley"])
def test_corrupt_model_file_is_rejected(program, run, damage):
    file = program.folder / "lone.safetensors"
    whole = (checkpoint(run) / "model.safetensors").read_bytes()
    file.write_bytes({"truncated": whole[:1000], "no header": b"\xff" * 100, "empty": b"",
                      "lacks a tensor's data": whole[:-4],
                      "not of Valley": b"\x02\0\0\0\0\0\0\0{}"}[damage])
    assert str(file) in program.call("sample", file, "-o", program.folder / "p.png", expect=DATA).error


def test_unwritable_png_is_an_error(program, run):
    result = program.call("sample", run, "--seeds", "0-3", "-o", program.folder / "none" / "p.png", expect=73)
    assert str(program.folder / "none") in result.error
