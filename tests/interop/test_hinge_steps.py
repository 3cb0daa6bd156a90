"""Steps of Valley's EBGAN and MAGAN compared with PyTorch for equal weights, images and latents: every gradient, every
parameter, the losses and the margin."""

import pytest
import torch

import began_reference as began
import hinge_reference as hinge
from dumped_training import check_step, dump, gradients_of, load_start, random_images, symmetric

RATE = 1e-3
NETWORKS = began.BeganConfig(32, 3, width=6, latent=5, hidden=7)


def config_of(objective, batch, extra="", energy="l2_norm", channels=3, optimizer=""):
    return f"""
[model]
name = "began"
resolution = 32
channels = {channels}
width = 6
latent = 5
hidden = 7
output = "linear"
batch_norm = false
[objective]
name = "{objective}"
energy = "{energy}"
{extra}
[train]
global_batch = {batch}
microbatch = {batch}
seed = 17
report_every = 1
[optimizer]
lr = {RATE}
{optimizer}
"""


def networks_of(ours, config, optimizer=torch.optim.Adam):
    networks = {"generator": began.make_generator(config), "discriminator": began.Discriminator(config)}
    load_start(ours, networks)
    optimizers = {n: optimizer(network.parameters(), RATE, (0.5, 0.999)) for n, network in networks.items()}
    return networks, optimizers


def check_report(ours, step, reported):
    for name, expected in reported.items():
        assert ours[f"{step}.{name}"].item() == pytest.approx(expected, rel=2e-5, abs=1e-7), (step, name)


def adversarial_step(ours, step, images, networks, optimizers, energy, margin, pulling="none", weight=0.1):
    """One step of D, then of G, compared; returns the numbers of its report."""
    d, g = networks["discriminator"], networks["generator"]
    d.zero_grad()
    loss_d, reported = hinge.discriminator_loss(energy, d, g, symmetric(images[step]), ours[f"{step}.z_d"], margin)
    loss_d.backward()
    gradients = gradients_of("discriminator", d)
    optimizers["discriminator"].step()
    g.zero_grad()
    loss_g, more = hinge.generator_loss(energy, d, g, ours[f"{step}.z_g"], pulling, weight)
    loss_g.backward()
    gradients |= gradients_of("generator", g)
    optimizers["generator"].step()
    check_step(ours, step, gradients, networks)
    check_report(ours, step, reported | more)
    return reported | more


@pytest.mark.parametrize(
    ("energy", "margin", "pulling", "channels"),
    [
        ("l2_norm", "margin_rmse = 0.18", "none", 3),
        ("l2_norm", "margin = 30.0", "squared", 3),
        ("l2_norm", "margin_rmse = 0.6", "cosine", 1),
        ("l2_sum", "margin_rmse = 0.6", "squared", 3),
        ("mse", "margin_rmse = 0.6", "none", 3),
        ("l1_mean", "margin = 0.5", "none", 3),
    ],
)
def test_three_steps_of_ebgan_match_reference(tmp_path, energy, margin, pulling, channels):
    torch.set_num_threads(1)
    shape = began.BeganConfig(32, channels, width=6, latent=5, hidden=7)
    images = random_images(3, 32, channels)
    extra = f'{margin}\npulling_away = "{pulling}"\npulling_away_weight = 0.3'
    ours = dump(tmp_path, config_of("ebgan", images.shape[1], extra, energy, channels), images)
    networks, optimizers = networks_of(ours, shape)
    key, value = margin.split(" = ")
    number = float(value) if key == "margin" else hinge.margin_of_rmse(energy, float(value), channels * 32 * 32)
    for step in range(3):
        adversarial_step(ours, step, images, networks, optimizers, energy, number, pulling, 0.3)


def test_each_microbatch_has_its_own_pulling_away_term(tmp_path):
    torch.set_num_threads(1)
    images = random_images(1, 32, 3, batch=6)
    text = config_of("ebgan", 6, 'margin = 30.0\npulling_away = "squared"').replace("microbatch = 6", "microbatch = 3")
    ours = dump(tmp_path, text, images)
    networks, _ = networks_of(ours, NETWORKS)
    d, g = networks["discriminator"], networks["generator"]
    d.load_state_dict({k.removeprefix("0.value.discriminator."): v for k, v in ours.items()
                       if k.startswith("0.value.discriminator.")})  # the step of G uses the updated D
    parts = [hinge.generator_loss("l2_norm", d, g, z, "squared")[1]["pulling_away"] for z in ours["0.z_g"].split(3)]
    whole = hinge.generator_loss("l2_norm", d, g, ours["0.z_g"], "squared")[1]["pulling_away"]
    got = ours["0.pulling_away"].item()
    assert got == pytest.approx(sum(parts) / 2, rel=1e-4)
    assert got != pytest.approx(whole, rel=1e-4)


# The defaults are those of the authors.
OPTIMIZERS = {
    "": hinge.PlainAdamax,
    "bias_correction = true": torch.optim.Adamax,
    'name = "adam"\nbias_correction = true': torch.optim.Adam,
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_of_magan_match_reference(tmp_path, optimizer):
    """Two steps per epoch: D alone for one epoch, one that measures m, then three adversarial ones."""
    torch.set_num_threads(1)
    images = random_images(10, 32, 3)
    text = config_of("magan", images.shape[1], "pretrain_epochs = 1", "l2_sum", optimizer=optimizer)
    ours = dump(tmp_path, text, images, data_images=2 * images.shape[1] + 1)
    networks, optimizers = networks_of(ours, NETWORKS, OPTIMIZERS[optimizer])
    d = networks["discriminator"]

    for step in (0, 1):
        d.zero_grad()
        loss = hinge.energy("l2_sum", d, symmetric(images[step])).mean()
        loss.backward()
        optimizers["discriminator"].step()
        check_step(ours, step, gradients_of("discriminator", d), networks)
        check_report(ours, step, {"energy/real": loss.item(), "loss/D": loss.item()})
    assert "0.energy/real/q50" in ours and "0.energy/fake/q50" not in ours  # no images are generated yet

    with torch.no_grad():
        means = [hinge.energy("l2_sum", d, symmetric(images[step])).mean().item() for step in (2, 3)]
    for step in (2, 3):
        check_step(ours, step, {}, networks)  # nothing moves
    margin = hinge.Margin(sum(means) / 2)
    assert ours["3.epoch.margin_next"].item() == pytest.approx(margin.value, rel=1e-5)
    for epoch in (4, 6, 8):
        sums = {"energy/real": 0.0, "loss/G": 0.0}
        for step in (epoch, epoch + 1):
            numbers = adversarial_step(ours, step, images, networks, optimizers, "l2_sum", margin.value)
            sums = {name: total + numbers[name] for name, total in sums.items()}
        last = f"{epoch + 1}.epoch"
        assert ours[f"{last}.S_D"].item() == pytest.approx(sums["energy/real"], rel=1e-5)
        assert ours[f"{last}.S_G"].item() == pytest.approx(sums["loss/G"], rel=1e-5)
        assert ours[f"{last}.S_G_previous"].item() == pytest.approx(margin.previous, rel=1e-5)
        assert ours[f"{last}.margin"].item() == pytest.approx(margin.value, rel=1e-5)
        margin.end_epoch(sums["energy/real"], sums["loss/G"], 2)
        assert ours[f"{last}.margin_next"].item() == pytest.approx(margin.value, rel=1e-5)
    assert ours["state.objective.margin"].item() == pytest.approx(margin.value, rel=1e-5)
