"""Buffers of networks compared with PyTorch: moments of batch norm, and the spectral norm."""

import argparse
import re

import pytest
import torch
from PIL import Image
from example_loader import EBGAN, LATENT_D, LATENT_G, PLAIN, example, images_of, latents, networks_in_pytorch
from safetensors.torch import load_file
from valley_program import REPOSITORY, build_faces, stats, train, valley

STEPS = 3
DEQUANTIZE = 11  # the stream of what real pixels lie between their levels


def test_energies_of_an_ebm_agree(tmp_path):
    """The step after a checkpoint states the mean energy of that checkpoint's network on real images: with the spectral
    norms of the example and with PyTorch's own. All images are one, so that their order does not matter."""
    pixels = torch.randint(0, 256, (32, 32, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    (tmp_path / "one").mkdir()
    for i in range(16):
        Image.fromarray(pixels.numpy()).save(tmp_path / "one" / f"{i}.png")
    valley("shard", "build", "--source", tmp_path / "one", "--dest", tmp_path / "data", "--resolution", 32)
    run = train(tmp_path / "runs", tmp_path / "data", f"train.steps={STEPS}", "train.seed=7", PLAIN, "model.name=ebm",
                "objective.name=ebm", "model.spectral_norm=true", "objective.langevin_steps=2")
    for step in range(1, STEPS):
        networks, _ = example.load(run / "checkpoints" / f"step-{step:08}", raw=True)
        energy = networks["energy"]
        # Offsets of real pixels between their levels, in [0, 1), by position.
        within = (example.uniform(7, DEQUANTIZE, list(range(16 * step, 16 * (step + 1))), pixels.numel()) + 1) / 2
        images = ((pixels + within.unflatten(1, pixels.shape)) / 256).permute(0, 3, 1, 2)
        with torch.no_grad():
            own = energy(images).mean().item()
            for module in energy.modules():
                if getattr(module, "u", None) is not None and not module.bound:
                    module.weight, module.u = torch.nn.Parameter(by_pytorch(module)), None
            theirs = energy(images).mean().item()
        assert stats(run)[step + 1]["energy/real"] == pytest.approx(own, rel=1e-4)
        assert theirs == pytest.approx(own, rel=1e-4)
    with pytest.raises(example.InputError, match="has no generator"):
        example.draw(argparse.Namespace(model=run, raw=False, latents=None, seeds=[0], out=None))


def by_pytorch(module):
    """The weight of a conv, normed by PyTorch with the singular vectors of the file."""
    conv = torch.nn.Conv2d(module.in_channels, module.out_channels, 3)
    conv.weight.copy_(module.weight)
    torch.nn.utils.parametrizations.spectral_norm(conv)
    conv.parametrizations.weight[0]._u.copy_(module.u)
    conv.parametrizations.weight[0]._v.copy_(module.v)
    return conv.eval().weight


def test_running_moments_match_pytorch(tmp_path):
    """From checkpoint to checkpoint: G's moments follow the one pass of G's phase as PyTorch's do with its momentum of
    0.1; those of D are moved by the sum of what its passes on real and on generated images would each move them by."""
    build_faces(tmp_path / "data")
    run = train(tmp_path / "runs", tmp_path / "data", f"train.steps={STEPS}", "train.seed=7", *EBGAN)
    for step in range(1, STEPS):
        networks, options = example.load(run / "checkpoints" / f"step-{step:08}", raw=True)
        generator, discriminator = networks["generator"].train(), networks["discriminator"].train()
        images = images_of(tmp_path / "data", options)
        before = {name: value.clone() for name, value in moments(networks)}
        with torch.no_grad():
            fakes = generator(latents(options, LATENT_D, step))
            restore(networks, before)
            generator(latents(options, LATENT_G, step))
            discriminator(images)
            moved = {name: value - before[name] for name, value in moments(networks)}
            restore({"discriminator": discriminator}, before)
            discriminator(fakes)
            moved |= {name: value - before[name] + moved[name] for name, value in moments(networks)
                      if name.startswith("discriminator.")}
        after = load_file(run / "checkpoints" / f"step-{step + 1:08}" / "model.safetensors")
        assert len(moved) == 2 * (4 + 4)  # norms of the generator and of the discriminator
        for name, change in moved.items():
            expected = before[name] + change
            assert not torch.allclose(before[name], expected, rtol=1e-3, atol=0), name
            assert torch.allclose(after[name], expected, rtol=1e-4, atol=1e-5), name


def moments(networks):
    for name, network in networks.items():
        for buffer, value in network.named_buffers():
            if "running" in buffer:
                yield f"{name}.{buffer}", value


def restore(networks, values):
    for name, value in moments(networks):
        value.copy_(values[name])


PAPERS = {"began": (128, 64, ("discriminator", "generator")), "ebgan": (64, 100, ("discriminator", "generator")),
          "magan": (64, 350, ("discriminator", "generator")), "ebm": (128, 1, ("energy",))}


def test_documented_parameter_counts_match_the_networks():
    rows = re.findall(r"^\| (\d+) \| ([\d,/ |]+) \|$", (REPOSITORY / "docs" / "models.md").read_text(), re.MULTILINE)
    assert [int(side) for side, _ in rows] == [32, 64, 128, 256]
    for side, cells in rows:
        for (name, (width, latent, order)), cell in zip(PAPERS.items(), cells.split("|"), strict=True):
            options = {"name": name, "resolution": int(side), "channels": 3, "latent": latent, "hidden": 64,
                       "width": 64 if name == "ebm" and int(side) > 32 else width, "skip_connections": False,
                       "batch_norm": name == "ebgan", "spectral_norm": name == "ebm", "downsample": "strided",
                       "output": "linear", "vanishing_residuals": "0"}
            with torch.device("meta"):
                networks = networks_in_pytorch.make_networks(options)
            counts = [sum(p.numel() for p in networks[part].parameters()) for part in order]
            assert [int(number.replace(",", "")) for number in cell.split("/")] == counts, (name, side)
