"""Three steps of Valley's trainer compared with the PyTorch EBM for equal weights, images and random numbers: chains,
every gradient, every parameter and the losses."""

import sys

import dumped_training as dumped
import ebm_reference as ebm
import pytest
import torch
from valley_program import REPOSITORY

sys.path.append(str(REPOSITORY / "examples"))
import networks_in_pytorch

STEPS = 3
BATCH, PASS, SLOTS = 8, 4, 8
RATE = 1e-3

CASES = {
    # size, channels, spectral norm, restart, settings, loss
    "igebm": (28, 1, True, 0.3, ebm.ChainSettings(4, 10, 0.005, 0.01), ebm.LossSettings()),
    "plain": (32, 3, False, 0.5, ebm.ChainSettings(3, 0.5, 0.05, 0.0), ebm.LossSettings(decay=0.1)),
    "temperature": (32, 3, True, 0.0, ebm.ChainSettings(5, 1, 0.02, 0.0, temperature=1e-4), ebm.LossSettings()),
    "r1": (28, 1, True, 0.3, ebm.ChainSettings(4, 10, 0.005, 0.01), ebm.LossSettings(r1=2.0)),
    "data noise": (28, 1, True, 0.3, ebm.ChainSettings(4, 10, 0.005, 0.01), ebm.LossSettings(data_noise=0.05)),
    "softplus": (32, 3, True, 0.3, ebm.ChainSettings(4, 10, 0.005, 0.01), ebm.LossSettings(decay=0.3, softplus=True, r1=0.5)),
}
CLASSES = 5
SUPERVISED = {
    "jem": (28, 1, True, 0.3, ebm.ChainSettings(4, 10, 0.005, 0.01), ebm.LossSettings(supervised="nll", data_noise=0.03)),
    "weights": (32, 3, True, 0.3, ebm.ChainSettings(3, 10, 0.005, 0.01),
                ebm.LossSettings(decay=0.1, generative=0.5, supervised="hinge", supervised_weight=2.0, margin=3.0, r1=0.5)),
    "log": (28, 1, False, 0.5, ebm.ChainSettings(3, 0.5, 0.05, 0.0), ebm.LossSettings(supervised="log")),
    "square-square": (28, 1, True, 0.3, ebm.ChainSettings(2, 10, 0.005, 0.01), ebm.LossSettings(supervised="square-square", margin=2.0)),
    "perceptron": (28, 1, False, 0.3, ebm.ChainSettings(2, 10, 0.005, 0.01), ebm.LossSettings(supervised="perceptron")),
    "energy": (28, 1, True, 0.3, ebm.ChainSettings(2, 10, 0.005, 0.01), ebm.LossSettings(supervised="energy")),
}


def config(size, channels, spectral, restart, settings, loss):
    return f"""
[model]
name = "ebm"
resolution = {size}
channels = {channels}
width = 6
spectral_norm = {str(spectral).lower()}
labels = {CLASSES if loss.supervised != "none" else 0}
[objective]
name = "ebm"
langevin_steps = {settings.steps}
langevin_step_size = {settings.step_size}
langevin_noise = {settings.noise}
langevin_clamp = {settings.clamp}
{"" if settings.temperature is None else f"temperature = {settings.temperature}"}
replay_size = {SLOTS * BATCH // PASS}
replay_restart = {restart}
energy_decay = {loss.decay}
r1_weight = {loss.r1}
data_noise = {loss.data_noise}
contrast = "{"softplus" if loss.softplus else "difference"}"
generative_weight = {loss.generative}
supervised = "{loss.supervised}"
supervised_weight = {loss.supervised_weight}
supervised_margin = {loss.margin}
[train]
global_batch = {BATCH}
microbatch = {PASS}
seed = 17
report_every = 1
[optimizer]
lr = {RATE}
beta1 = 0.0
lr_schedule = "constant"
"""


def train_beside(ours, images, case, labels=None):
    """Repeats the steps and compares; the settings of `case` may differ from those that `ours` was made with."""
    size, channels, spectral, restart, settings, weights = case
    like = channels, size, size
    options = {"resolution": size, "channels": channels, "width": 6, "spectral_norm": spectral,
               "labels": 0 if labels is None else CLASSES}
    network = networks_in_pytorch.Energy(options)
    dumped.load_start(ours, {"energy": network})
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.0, 0.999), eps=1e-8)
    rings = [ebm.Ring(SLOTS, size, size, channels) for _ in range(BATCH // PASS)]
    for step in range(STEPS):
        draw = {name: ours[f"{step}.{name}"] for name in ("choice", "start", "within", "noise", "data_noise")}
        real_pixels = images[step].permute(0, 3, 1, 2).float()
        optimizer.zero_grad()
        totals = dict.fromkeys(("loss/energy", "energy/real", "energy/fake", "chain/gradient_norm", "chain/restarted", "r1"), 0)
        for index, ring in enumerate(rings):
            rows = slice(index * PASS, (index + 1) * PASS)
            start, fresh = ring.starts(draw["choice"][rows], ebm.as_images(draw["start"][rows], like), restart)
            noise = torch.stack([ebm.as_images(n[rows], like) for n in draw["noise"]])
            chains, norms = ebm.run_chains(network, start, settings, noise)
            reals = (real_pixels[rows] + ebm.as_images(draw["within"][rows], like)) / 256
            reals = reals + weights.data_noise * ebm.as_images(draw["data_noise"][rows], like)
            real, fake = network(reals), network(chains)
            penalty = ebm.r1_of(network, reals)
            loss = weights.generative * (ebm.loss_of(real, fake, weights) + weights.r1 * penalty)
            taught = None if labels is None else ebm.supervised_of(network.class_energies(reals), labels[step][rows], weights)
            ((loss if taught is None else loss + weights.supervised_weight * taught) * PASS / BATCH).backward()
            parts = loss, real.mean(), fake.mean(), norms.mean(), fresh.float().mean(), penalty
            totals = {name: total + part.item() * PASS / BATCH for (name, total), part in zip(totals.items(), parts)}
            ring.take(chains)
            theirs = ours[f"{step}.objective.replay"][index]
            levels = (ring.slots.int() - theirs.int()).abs()
            assert levels.max() <= 1, f"step {step}: a pixel of a chain differs by {levels.max()} levels"
            assert (levels > 0).float().mean() < 1e-3  # numbers that round to another side of a level's edge
            ring.slots.copy_(theirs)
        gradients = dumped.gradients_of("energy", network)
        optimizer.step()
        ebm.iterate_power(network)
        dumped.check_step(ours, step, gradients, {"energy": network})
        if weights.r1 == 0:
            assert f"{step}.r1" not in ours
            del totals["r1"]
        for name, expected in totals.items():
            assert ours[f"{step}.{name}"].item() == pytest.approx(expected, rel=1e-4, abs=1e-6), (step, name)
        assert ours[f"{step}.energy/gap"].item() == pytest.approx(
            totals["energy/fake"] - totals["energy/real"], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", SUPERVISED)
def test_three_steps_with_classes_match_reference(tmp_path, name):
    """Every third image has no label."""
    torch.set_num_threads(1)
    case = SUPERVISED[name]
    images = dumped.random_images(STEPS, *case[:2], batch=BATCH)
    labels = torch.randint(0, CLASSES, (STEPS, BATCH), generator=torch.Generator().manual_seed(3))
    labels[:, ::3] = -1
    ours = dumped.dump(tmp_path, config(*case), images, labels=labels)
    train_beside(ours, images, case, labels)
    wrong = ebm.LossSettings(**vars(case[5]) | {"supervised_weight": 1.5})
    with pytest.raises(AssertionError):
        train_beside(ours, images, (*case[:5], wrong), labels)


@pytest.mark.parametrize("name", CASES)
def test_three_steps_match_reference(tmp_path, name):
    torch.set_num_threads(1)
    images = dumped.random_images(STEPS, *CASES[name][:2], batch=BATCH)
    ours = dumped.dump(tmp_path, config(*CASES[name]), images)
    train_beside(ours, images, CASES[name])


def test_comparison_detects_a_wrong_reference(tmp_path):
    """Chains of another step size or a loss with another weight must exceed the tolerances."""
    case = CASES["igebm"]
    images = dumped.random_images(STEPS, *case[:2], batch=BATCH)
    ours = dumped.dump(tmp_path, config(*case), images)
    for wrong in ((*case[:4], ebm.ChainSettings(4, 9, 0.005, 0.01), case[5]), (*case[:5], ebm.LossSettings(decay=0.5)),
                  (*case[:5], ebm.LossSettings(softplus=True)), (*case[:5], ebm.LossSettings(data_noise=0.01))):
        with pytest.raises(AssertionError):
            train_beside(ours, images, wrong)


def test_comparison_detects_a_missing_penalty(tmp_path):
    case = CASES["r1"]
    images = dumped.random_images(STEPS, *case[:2], batch=BATCH)
    ours = dumped.dump(tmp_path, config(*case), images)
    with pytest.raises(AssertionError):
        train_beside(ours, images, (*case[:5], ebm.LossSettings(r1=1.0)))
