"""examples/load_in_pytorch.py as a module, and helpers for tests of networks."""

import importlib
import sys

import h5py
import torch
from valley_program import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "load_in_pytorch.py"
sys.path.append(str(EXAMPLE.parent))  # where its own module of networks is
example = importlib.import_module("load_in_pytorch")
networks_in_pytorch = importlib.import_module("networks_in_pytorch")

LATENT_D, LATENT_G = 2, 3  # the streams of the latents of D's phase and of G's
PLAIN = "model.skip_connections=false"
EBGAN = [PLAIN, "model.name=ebgan", "model.batch_norm=true", "model.output=tanh", "model.latent_distribution=normal",
         "train.microbatch=16"]


def images_of(data, options):
    """All images of a small data set in the pixel range of the model."""
    with h5py.File(data / "shard-00000.h5") as shard:
        pixels = torch.from_numpy(shard["images"][:]).float()
    unit = options["output"] == "sigmoid" or options["name"] == "ebm"
    return (pixels / 255 if unit else pixels / 127.5 - 1.0).permute(0, 3, 1, 2)


def latents(options, stream, step, batch=16, seed=7):
    """Latent vectors of a phase, after `step` earlier steps."""
    draw = example.normal if options["latent_distribution"] == "normal" else example.uniform
    return draw(seed, stream, list(range(batch * step, batch * (step + 1))), options["latent"])
