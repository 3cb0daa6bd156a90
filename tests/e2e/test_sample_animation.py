"""`valley sample -o walk.gif` and numbered PNGs: frames of a path between latent vectors, read back by Pillow."""

import json

import numpy
import pytest
from PIL import Image
from program import CANNOT_WRITE, DATA, MISSING, USAGE
from safetensors.numpy import load_file, save_file

SIDE = 32


@pytest.fixture(scope="module")
def run(shared_program):
    return shared_program.trained(None, "train.steps=20", "optimizer.lr=1e-3")


@pytest.fixture(scope="module")
def normal(shared_program):
    """A model with normal latents."""
    return shared_program.trained(None, "model.latent_distribution=normal", "train.steps=3")


def frames_of(file):
    """RGB frames and their durations in ms."""
    with Image.open(file) as image:
        frames, durations = [], []
        for i in range(image.n_frames):
            image.seek(i)
            durations.append(image.info["duration"])
            frames.append(numpy.asarray(image.convert("RGB")))
        return numpy.stack(frames), durations, image.info.get("loop")


def walk(program, model, out, *more, seeds="3,17,5", steps=4, **how):
    saved = program.folder / "walk.safetensors"
    result = program.call("sample", model, "--seeds", seeds, "--interpolate", steps, "-o", program.folder / out, "--save-latents", saved, *more, **how)
    return load_file(saved) if result.code == 0 else result.error


def psnr(a, b):
    return 10 * numpy.log10(255**2 / numpy.square(a.astype(float) - b).mean())


def test_gif_has_the_frames_of_the_path(program, run):
    drawn = walk(program, run, "walk.gif")
    frames, durations, loop = frames_of(program.folder / "walk.gif")
    assert frames.shape == (2 * 4 + 1, SIDE, SIDE, 3)
    assert durations == [40] * 9
    assert loop == 0  # without end
    assert all(psnr(frame, pixels) > 35 for frame, pixels in zip(frames, drawn["pixels"], strict=True))
    ends = program.folder / "ends.safetensors"
    program.call("sample", run, "--seeds", "3,17,5", "-o", program.folder / "ends.png", "--save-latents", ends)
    assert numpy.array_equal(drawn["latents"][::4], load_file(ends)["latents"])


def test_gif_options_set_time_size_and_plays(program, run):
    walk(program, run, "walk.gif", "--fps", "30", "--scale", "3", "--plays", "2", "--loop", steps=10)
    frames, durations, loop = frames_of(program.folder / "walk.gif")
    assert frames.shape == (30, 3 * SIDE, 3 * SIDE, 3)
    assert sum(durations) == 1000 and set(durations) == {30, 40}
    assert loop == 1  # repetitions after the first play
    assert numpy.array_equal(frames[:, ::3, ::3], frames[:, 2::3, 2::3])


def test_numbered_pngs_are_exact_and_start_at_0(program, run):
    drawn = walk(program, run, "frames/%04d.png", "--loop")
    files = sorted((program.folder / "frames").iterdir())
    assert [file.name for file in files] == [f"{i:04}.png" for i in range(12)]
    for file, pixels in zip(files, drawn["pixels"], strict=True):
        with Image.open(file) as image:
            assert numpy.array_equal(numpy.asarray(image), pixels)


def test_frames_of_a_longer_animation_are_an_error(program, run):
    walk(program, run, "frames/%04d.png", steps=5)
    error = walk(program, run, "frames/%04d.png", steps=4, expect=CANNOT_WRITE)
    assert "0009.png" in error


def test_normal_latents_follow_the_sphere_and_uniform_ones_a_line(program, run, normal):
    def midpoint(model, *more):
        z = walk(program, model, "walk.gif", *more, seeds="3,17", steps=2)["latents"].astype(float)
        return z[1], z[0], z[2]

    def on_sphere(a, b):
        angle = numpy.arccos(a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b))
        return (a + b) * numpy.sin(angle / 2) / numpy.sin(angle)

    for model, more, spherical in ((run, (), False), (normal, (), True), (normal, ("--path", "linear"), False), (run, ("--path", "spherical"), True)):
        middle, a, b = midpoint(model, *more)
        assert middle == pytest.approx(on_sphere(a, b) if spherical else (a + b) / 2, abs=1e-6)


def test_rows_of_a_grid_are_the_same_path(program, normal):
    rows = walk(program, normal, "walk.png", steps=5)["latents"]
    frames = walk(program, normal, "walk.gif", steps=4)["latents"]
    assert numpy.array_equal(rows, frames[[0, 1, 2, 3, 4, 4, 5, 6, 7, 8]])


def test_latents_of_a_file_give_the_samples_they_came_from(program, run):
    drawn = walk(program, run, "walk.gif")
    again = program.folder / "again.safetensors"
    program.call("sample", run, "--latents", program.folder / "walk.safetensors", "-o", program.folder / "a.png", "--save-latents", again)
    assert numpy.array_equal(load_file(again)["pixels"], drawn["pixels"])
    result = program.call("sample", run, "--latents", again, "--interpolate", "3", "--json", "-o", program.folder / "b.gif")
    assert json.loads(result.stdout)["samples"] == 8 * 3 + 1


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({"latents": numpy.zeros((2, 7), numpy.float32)}, "have 7 elements"),
        ({"latents": numpy.zeros((2, 8), numpy.float64)}, "no latent vectors"),
        ({"other": numpy.zeros((2, 8), numpy.float32)}, "no latent vectors"),
        ({"latents": numpy.full((2, 8), numpy.nan, numpy.float32)}, "not finite"),
        (None, "lacking.safetensors"),
    ],
)
def test_file_without_fitting_latents_is_an_error(program, run, tensor, words):
    file = program.folder / "lacking.safetensors"
    if tensor:
        save_file(tensor, file)
    result = program.call("sample", run, "--latents", file, "-o", program.folder / "a.gif", expect=DATA if tensor else MISSING)
    assert words in result.error and str(file) in result.error
    assert not (program.folder / "a.gif").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fps", "10", "-o", "a.png"),
        ("--scale", "2", "-o", "a.png"),
        ("--loop", "-o", "a.gif"),
        ("--path", "linear", "-o", "a.gif"),
        ("--fps", "0", "-o", "a.gif"),
        ("--fps", "51", "-o", "a.gif"),
        ("--plays", "-1", "-o", "a.gif"),
        ("--grid", "4x4", "-o", "a.gif"),
        ("--scale", "65", "-o", "a.gif"),
        ("--interpolate", "4", "--loop", "-o", "a.png"),
        ("--plays", "2", "-o", "%03d.png"),
    ],
)
def test_impossible_options_are_rejected(program, run, arguments):
    out = program.folder / arguments[-1]
    result = program.call("sample", run, "--seeds", "0-3", *arguments[:-1], out, expect=USAGE)
    assert arguments[0] in result.stderr or arguments[2] in result.stderr
    assert not list(program.folder.glob("*.png")) and not list(program.folder.glob("*.gif"))
