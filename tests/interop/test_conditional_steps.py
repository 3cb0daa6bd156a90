"""Steps of Valley's conditional EBGAN, BEGAN and MAGAN (model.labels) compared with PyTorch for equal weights, images, latents and
classes: every gradient, every parameter and the losses. The networks are those of examples/networks_in_pytorch.py, the losses are
written out here from docs/objectives.md."""

import pytest
import torch

import began_reference as began
import hinge_reference as hinge
from dumped_training import GRADIENT_TOLERANCE, VALUE_TOLERANCE, check, dump, gradients_of, load_start, random_images
from example_loader import example, networks_in_pytorch

RATE, SEED, BATCH, CLASSES, WEIGHT, STEPS = 1e-3, 17, 6, 3, 0.7, 3
LABEL_D, LABEL_G, MISMATCH = 30, 31, 32  # Valley's random streams
CASES = {
    "ebgan": ("ebgan", 28, ["model.batch_norm=true", "objective.margin=9.0"]),
    "ebgan balanced": ("ebgan", 32, ["model.batch_norm=true", "objective.margin=9.0", "objective.label_sampling=balanced"]),
    "ebgan-pt": ("ebgan", 28, ["model.batch_norm=false", "objective.margin=9.0", "objective.pulling_away=squared"]),
    "magan dense": ("magan", 28, ["objective.pretrain_epochs=0", "model.output=sigmoid"]),
    "magan": ("magan", 32, ["objective.pretrain_epochs=0", "objective.label_sampling=balanced"]),
    "began": ("began", 32, ["objective.lambda_k=0.5", "model.skip_connections=true"]),
    "began shared": ("began", 16, ["objective.lambda_k=0.5", "train.schedule=shared"]),
}


def config_of(name, side):
    return f"""
[model]
name = "{name}"
resolution = {side}
channels = 1
width = 6
latent = 5
hidden = 7
labels = {CLASSES}
[objective]
name = "{name}"
mismatch_weight = {WEIGHT}
[train]
global_batch = {BATCH}
microbatch = {BATCH}
seed = {SEED}
report_every = 1
[optimizer]
name = "adam"
lr = {RATE}
bias_correction = true
lr_schedule = "constant"
"""


def draws(stream, step, classes):
    """Uniform classes, by position."""
    u = (example.uniform(SEED, stream, list(range(BATCH * step, BATCH * (step + 1))), 1) + 1) / 2
    return (u[:, 0].double() * classes).long()


def is_negligible(ours, expected):
    return (ours - expected).abs().max() <= 1e-9


class Peer:
    """One conditional training in PyTorch."""

    def __init__(self, name, side, keys, ours):
        self.name, self.ours = name, ours
        values = dict(key.split("=") for key in keys)
        output = values.get("model.output", "linear" if name == "began" else "tanh")
        self.unit = output == "sigmoid"
        self.balanced = values.get("objective.label_sampling") == "balanced"
        self.shared = values.get("train.schedule") == "shared"
        self.pulling = values.get("objective.pulling_away", "none")
        options = {"name": name, "resolution": side, "channels": 1, "width": 6, "latent": 5, "hidden": 7, "labels": CLASSES,
                   "skip_connections": "model.skip_connections=true" in keys, "downsample": "strided",
                   "batch_norm": values.get("model.batch_norm") == "true", "output": output, "vanishing_residuals": "0"}
        self.networks = {n: network.train() for n, network in networks_in_pytorch.make_networks(options).items()}
        load_start(ours, self.networks)
        self.optimizers = {n: torch.optim.Adam(network.parameters(), RATE, (0.5, 0.999)) for n, network in self.networks.items()}
        self.k = 0.0
        self.margin = 9.0

    def energy(self, x, y):
        difference = (self.networks["discriminator"](x, y) - x).flatten(1)
        return hinge.ENERGIES[{"ebgan": "l2_norm", "magan": "l2_sum", "began": "l1_mean"}[self.name]](difference)

    def labels_of(self, stream, step, y):
        return draws(stream, step, CLASSES) if self.balanced else y

    def discriminator_loss(self, step, x, y):
        """The loss, and its reported values."""
        with torch.no_grad():
            y_d = self.labels_of(LABEL_D, step, y)
            fakes = self.networks["generator"](self.ours[f"{step}.z_d"], y_d)
        wrong = (y + 1 + draws(MISMATCH, step, CLASSES - 1)) % CLASSES
        assert (wrong != y).all()
        real, fake, mismatch = self.energy(x, y), self.energy(fakes, y_d), self.energy(x, wrong)
        if self.name == "began":
            hinges = (0.18 - mismatch).clamp(min=0)
            adversarial = -self.k * fake.mean()
        else:
            hinges = (self.margin - mismatch).clamp(min=0)
            adversarial = (self.margin - fake).clamp(min=0).mean()
        loss = real.mean() + adversarial + WEIGHT * hinges.mean()
        return loss, {"loss/D": loss.item(), "energy/real": real.mean().item(), "energy/fake": fake.mean().item(),
                      "energy/mismatch": mismatch.mean().item()}, hinges

    def generator_loss(self, step, y):
        shared = self.shared
        y_g = self.labels_of(LABEL_D if shared else LABEL_G, step, y)
        fakes = self.networks["generator"](self.ours[f"{step}.{'z_d' if shared else 'z_g'}"], y_g)
        loss = self.energy(fakes, y_g).mean()
        if self.pulling != "none":
            loss = loss + 0.1 * hinge.pulling_away(self.pulling, self.networks["discriminator"].encoder(fakes, y_g))
        return loss, {"loss/G": loss.item()}

    def update(self, name, loss):
        network = self.networks[name]
        network.zero_grad()
        loss.backward(retain_graph=True, inputs=list(network.parameters()))
        return gradients_of(name, network)

    def step(self, step, x, y):
        """Returns gradients and reported values."""
        loss_d, reported, hinges = self.discriminator_loss(step, x, y)
        gradients = self.update("discriminator", loss_d)
        if self.shared:
            loss_g, more = self.generator_loss(step, y)
        self.optimizers["discriminator"].step() if not self.shared else None
        if not self.shared:
            loss_g, more = self.generator_loss(step, y)
        gradients |= self.update("generator", loss_g)
        if self.shared:
            self.optimizers["discriminator"].step()
        self.optimizers["generator"].step()
        if self.name == "began":
            fake = reported["energy/fake"] if self.shared else more["loss/G"]
            self.k = began.Controller(0.5, 0.5, self.k)
            self.k.update(reported["energy/real"], fake)
            self.k = self.k.k
        return gradients, reported | more, hinges


@pytest.mark.parametrize("case", CASES)
def test_three_conditional_steps_match_reference(tmp_path, case):
    torch.set_num_threads(1)
    name, side, keys = CASES[case]
    # MAGAN's first epoch only measures the margin.
    first = 1 if name == "magan" else 0
    # Values near 0, so that energies are below the margins.
    images = random_images(STEPS + first, side, 1, batch=BATCH) // 6 + 106
    labels = torch.randint(0, CLASSES, (STEPS + first, BATCH), generator=torch.Generator().manual_seed(3))
    ours = dump(tmp_path, config_of(name, side), images, data_images=BATCH if name == "magan" else 1000, overrides=keys, labels=labels)
    peer = Peer(name, side, keys, ours)

    def image(step):
        x = images[step].permute(0, 3, 1, 2).float()
        return (x / 255 if peer.unit else x / 127.5 - 1).contiguous()

    if name == "magan":
        with torch.no_grad():
            peer.margin = peer.energy(image(0), labels[0]).mean().item()
        assert ours["0.epoch.margin_next"].item() == pytest.approx(peer.margin, rel=1e-5)
    active = 0
    for step in range(first, STEPS + first):
        gradients, reported, hinges = peer.step(step, image(step), labels[step])
        active += (hinges > 0).sum().item()
        # The sign of a pixel's difference can depend on rounding in the l1 energy.
        allowance = 2e-4 if name == "began" else 0
        for tensor, expected in gradients.items():
            check(f"{case}, step {step}, gradient of {tensor}", ours[f"{step}.gradient.{tensor}"], expected, 5 * GRADIENT_TOLERANCE,
                  allowance)
        for network_name, network in peer.networks.items():
            for tensor, expected in network.named_parameters():
                check(f"{case}, step {step}, {network_name}.{tensor}", ours[f"{step}.value.{network_name}.{tensor}"], expected.detach(),
                      10 * VALUE_TOLERANCE)
        for key, expected in reported.items():
            assert ours[f"{step}.{key}"].item() == pytest.approx(expected, rel=1e-4, abs=1e-7), (step, key)
        if name == "magan":
            peer.margin = ours[f"{step}.epoch.margin_next"].item()
    assert active > 0, "no hinge of a mismatched pair was active"
    tables = [tensor for tensor in gradients if "labels" in tensor]
    assert len(tables) == (5 if name == "began" else 4)
    assert all(not is_negligible(gradients[tensor], 0) for tensor in tables), "the class has no gradient"
