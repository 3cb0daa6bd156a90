"""Recorded steps of Valley's trainer, which another implementation repeats and compares."""

import os
import subprocess
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BUILD = Path(os.environ.get("VALLEY_BUILD", Path(__file__).parents[2] / "build"))
BATCH = 4
# Relative to the largest element of each tensor. Two float32 implementations differ by rounding alone: 1e-6
# or so a sum, more where terms cancel and after Adam has divided by small moments.
GRADIENT_TOLERANCE = 2e-4
VALUE_TOLERANCE = 1e-3


def random_images(steps, size, channels, batch=BATCH):
    """uint8 [steps, batch, size, size, channels]: one batch per step, equal in every call."""
    rng = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (steps, batch, size, size, channels), dtype=torch.uint8, generator=rng)


def dump(folder, config, images, data_images=1000, overrides=(), labels=None):
    """Trains on `images` with `config` (TOML text) and "key=value" overrides; returns what tests/train/training_dump.cpp writes.
    `data_images`: size of the simulated data set, which sets the length of epochs. `labels`: int64 [steps, batch], if used."""
    (folder / "config.toml").write_text(config)
    given = {"images": images} | ({} if labels is None else {"labels": labels})
    save_file(given, folder / "in.safetensors")
    files = (folder / "config.toml", data_images, folder / "in.safetensors", folder / "out.safetensors")
    command = [BUILD / "tests/train/training_dump", *map(str, files), *overrides]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return load_file(folder / "out.safetensors")


def part_of(dumped, prefix):
    """The entries whose names start with `prefix`, without it."""
    return {name[len(prefix):]: value for name, value in dumped.items() if name.startswith(prefix)}


def load_start(dumped, networks):
    """Loads the initial weights of the training into PyTorch networks, by name; names and shapes must match."""
    for name, network in networks.items():
        network.load_state_dict(part_of(dumped, f"start.{name}."))


def gradients_of(name, network):
    return {f"{name}.{n}": p.grad.clone() for n, p in network.named_parameters()}


def symmetric(pixels):
    """uint8 [B, H, W, C] as float [B, C, H, W] in [-1, 1]."""
    return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()


def check(tag, got, expected, tolerance, allowance=0.0):
    assert got.shape == expected.shape, tag
    scale = expected.abs().max().item()
    difference = (got - expected).abs().max().item()
    assert difference <= tolerance * scale + allowance + 1e-9, f"{tag}: differs by {difference:.3g}, largest number {scale:.3g}"


def check_step(dumped, step, gradients, networks, allowance=0.0):
    """Compares one step: its gradients, up to rounding and `allowance`, and the parameters after it, where Adam amplifies
    differences of small gradients."""
    value_tolerance = VALUE_TOLERANCE * (10 if allowance > 0 else 1)
    for name, expected in gradients.items():
        check(f"step {step}, gradient of {name}", dumped[f"{step}.gradient.{name}"], expected, GRADIENT_TOLERANCE,
              allowance)
    for name, network in networks.items():
        for tensor, expected in network.state_dict().items():
            check(f"step {step}, {name}.{tensor}", dumped[f"{step}.value.{name}.{tensor}"], expected, value_tolerance)
