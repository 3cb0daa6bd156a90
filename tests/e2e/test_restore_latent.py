"""`valley restore --method latent`: latent vectors of images, from which `valley sample` draws them again."""

import json

import numpy
import pytest
from PIL import Image
from program import USAGE
from safetensors.numpy import load_file

SEEDS = "100-103"
MODELS = {
    "began": (),
    "ebgan": (
        "objective.name=ebgan",
        "model.name=ebgan",
        "model.latent_distribution=normal",
        "model.output=tanh",
        "model.batch_norm=true",
        "train.microbatch=8",
    ),
    "magan": (
        "objective.name=magan",
        "model.name=magan",
        "model.latent_distribution=normal",
        "model.output=sigmoid",
        "objective.pretrain_epochs=1",
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def run(request, shared_program):
    return shared_program.trained(None, *MODELS[request.param], "train.steps=60", "optimizer.lr=2e-3")


@pytest.fixture
def samples(program, run):
    """Files with single samples, and the tensors of all."""
    saved = program.folder / "own.safetensors"
    program.call("sample", run, "--seeds", SEEDS, "-o", program.folder / "own.png", "--save-latents", saved)
    tensors = load_file(saved)
    files = []
    for i, pixels in enumerate(tensors["pixels"]):
        files.append(program.folder / f"own-{i}.png")
        Image.fromarray(pixels).save(files[-1])
    return files, tensors


def restore(program, run, files, *more, name="found"):
    saved = program.folder / f"{name}.safetensors"
    result = program.call("restore", run, *files, "--method", "latent", *more, "--json", "-o", program.folder / f"{name}.png", "--save", saved)
    return load_file(saved), json.loads(result.stdout)


def psnr(a, b):
    return 10 * numpy.log10(255**2 / max(1e-9, numpy.square(a.astype(float) - b).mean()))


def test_own_samples_are_found_with_35_db_and_drawn_again(program, run, samples):
    files, own = samples
    found, answer = restore(program, run, files)
    assert found["latents"].shape == own["latents"].shape
    for i, image in enumerate(answer["images"]):
        assert psnr(found["restored"][i], own["pixels"][i]) > 35
        assert image["restored"]["psnr"] is None or image["restored"]["psnr"] > 35
        assert image["latent"]["psnr_known"] == image["restored"]["psnr"]
        assert 1 <= image["latent"]["starts"] <= 4 and 1 <= image["latent"]["steps"] <= 60
    again = program.folder / "again.safetensors"
    program.call("sample", run, "--latents", program.folder / "found.safetensors", "-o", program.folder / "again.png", "--save-latents", again)
    assert abs(load_file(again)["pixels"].astype(int) - found["generated"]).max() <= 1


def test_hole_in_an_own_sample_is_filled(program, run, samples):
    files, own = samples
    found, _ = restore(program, run, files, "--box", "8x8")
    known = found["unknown"] == 0
    assert numpy.array_equal(found["restored"][known], own["pixels"][known])
    assert psnr(found["restored"][~known], own["pixels"][~known]) > psnr(found["filled"][~known], own["pixels"][~known]) + 10


def test_noise_is_removed_from_an_own_sample(program, run, samples):
    files, own = samples
    found, _ = restore(program, run, files, "--noise", "0.1")
    assert psnr(found["generated"], own["pixels"]) > psnr(found["filled"], own["pixels"]) + 3


def test_result_depends_on_image_and_seed_only(program, run, samples):
    files, _ = samples
    first, _ = restore(program, run, files, "--box", "8x8", name="first")
    again, _ = restore(program, run, files, "--box", "8x8", name="again")
    one, _ = restore(program, run, files[2:3], "--box", "8x8", name="one")
    assert all(numpy.array_equal(first[name], again[name]) for name in first)
    assert numpy.array_equal(one["latents"][0], first["latents"][2])


def test_table_reports_fit_steps_and_starts(program, run, samples):
    result = program.call("restore", run, *samples[0], "--method", "latent", "-o", program.folder / "a.png")
    assert "generated images fit known pixels with" in result.stdout
    assert "initial latents" in result.stdout


def test_impossible_options_are_rejected(program, run, samples):
    for arguments, words in (
        (("--method", "code", "--box", "4x4", "--restarts", "2"), "--restarts is for --method latent"),
        (("--method", "latent", "--step-size", "1"), "--step-size"),
        (("--method", "code"), "--method latent"),
        (("--method", "latent", "--restarts", "256"), "--restarts"),
    ):
        out = program.folder / "a.png"
        assert words in program.call("restore", run, samples[0][0], *arguments, "-o", out, expect=USAGE).stderr
        assert not out.exists()


def test_model_without_generator_is_rejected(program, shared_program, faces):
    ebm = shared_program.trained(
        None, "objective.name=ebm", "model.name=ebm", "model.width=4", "objective.langevin_steps=2", "objective.replay_size=48", "train.steps=1"
    )
    result = program.call("restore", ebm, "--data", faces, "--index", "0", "--method", "latent", "-o", program.folder / "a.png", expect=USAGE)
    assert "models with a generator" in result.error
