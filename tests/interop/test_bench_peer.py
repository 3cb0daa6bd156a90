"""The peer that bench/step.py times computes what Valley does: the same weights, images and latents give the same losses on
two of its ranks as in Valley's trainer, step after step. A benchmark of different work would prove nothing."""

import subprocess
import sys

import pytest
from dumped_training import dump, random_images
from safetensors.torch import load_file, save_file
from valley_program import REPOSITORY

STEPS = 4
RATE, GAMMA, LAMBDA_K = 1e-3, 0.7, 0.2  # a k that matters from the second step on
SHAPE = {"resolution": 32, "width": 6, "latent": 5, "hidden": 7}


def steps_of_valley(folder, schedule):
    images = random_images(STEPS, SHAPE["resolution"], 3)
    keys = "\n".join(f"{name} = {value}" for name, value in SHAPE.items())
    losses = dump(folder, f"""
[model]
{keys}
[objective]
gamma = {GAMMA}
lambda_k = {LAMBDA_K}
[train]
global_batch = {images.shape[1]}
seed = 23
schedule = "{schedule}"
[optimizer]
lr = {RATE}
lr_schedule = "constant"
""", images)
    wanted = {name: value for name, value in losses.items() if name.startswith("start.") or ".z_" in name}
    save_file(wanted | {"images": images}, folder / "peer.safetensors")
    return losses, images.shape[1]


def steps_of_peer(folder, batch, *options):
    shape = [word for name, value in SHAPE.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, REPOSITORY / "bench" / "peer_ddp.py", *shape, "--batch", str(batch), "--ranks", "2",
               "--gamma", str(GAMMA), "--lambda-k", str(LAMBDA_K), "--rate", str(RATE),
               "--replay", folder / "peer.safetensors", "--out", folder / "losses.safetensors", *options]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return load_file(folder / "losses.safetensors")


def worst(ours, theirs):
    """The largest relative difference of any loss or k in any step."""
    names = [f"{step}.{name}" for step in range(STEPS) for name in ("energy/real", "energy/fake", "loss/G", "k")]
    return max(abs(theirs[name].item() - ours[name].item()) / max(abs(ours[name].item()), 1e-3) for name in names)


@pytest.mark.parametrize(("schedule", "options"), [
    ("alternating", ["--passes", "split"]),
    ("alternating", ["--passes", "together", "--unfrozen"]),
    ("alternating", ["--passes", "concat", "--contiguous"]),
    ("shared", []),
])
def test_the_peer_has_valleys_losses(tmp_path, schedule, options):
    ours, batch = steps_of_valley(tmp_path, schedule)
    theirs = steps_of_peer(tmp_path, batch, "--schedule", schedule, *options)
    assert worst(ours, theirs) < 2e-5
    assert ours[f"{STEPS - 1}.k"].item() > 0.1, "with k at 0 its place in the loss would not show"


def test_bf16_is_near_and_another_schedule_is_not(tmp_path):
    ours, batch = steps_of_valley(tmp_path, "alternating")
    assert 1e-6 < worst(ours, steps_of_peer(tmp_path, batch, "--precision", "bf16")) < 2e-2
    assert worst(ours, steps_of_peer(tmp_path, batch, "--schedule", "shared")) > 1e-3
