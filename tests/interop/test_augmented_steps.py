"""Steps of Valley's GANs with augmented images compared with PyTorch for equal weights, images and random numbers: every gradient,
every parameter, the losses, and the adaptive strength."""

import functools

import augment_reference as augment
import began_reference as began
import hinge_reference as hinge
import pytest
import torch
from dumped_training import check_step, dump, gradients_of, load_start, random_images, symmetric
from test_hinge_steps import config_of, networks_of

STEPS = 3
SHAPE = began.BeganConfig(32, 3, width=6, latent=5, hidden=7)


def section(policy, strength, adapt=""):
    names = ", ".join(f'"{name}"' for name in policy)
    return f"\n[augment]\npolicy = [{names}]\nstrength = {strength}\n{adapt}"


def hinge_steps(ours, images, margin, policy, strengths, bounded=False):
    """Repeats the steps of an EBGAN and compares; returns per step the energies of D's update and of its real images."""
    networks, optimizers = networks_of(ours, SHAPE)
    d, g = networks["discriminator"], networks["generator"]
    found = []
    for step in range(STEPS):
        def transform(x, part, step=step):
            return augment.augmented(x, ours[f"{step}.augment_{part}"], strengths(found), policy, bounded)

        reals = transform(symmetric(images[step]), "real")
        with torch.no_grad():
            energies = hinge.energy("l2_norm", d, reals)
        d.zero_grad()
        loss, reported = hinge.discriminator_loss("l2_norm", d, g, reals, ours[f"{step}.z_d"], margin,
                                                  functools.partial(transform, part="d"))
        loss.backward()
        gradients = gradients_of("discriminator", d)
        optimizers["discriminator"].step()
        g.zero_grad()
        loss, more = hinge.generator_loss("l2_norm", d, g, ours[f"{step}.z_g"], augment=functools.partial(transform, part="g"))
        loss.backward()
        gradients |= gradients_of("generator", g)
        optimizers["generator"].step()
        check_step(ours, step, gradients, networks, allowance=1e-6)
        for name, expected in (reported | more).items():
            assert ours[f"{step}.{name}"].item() == pytest.approx(expected, rel=2e-5, abs=1e-7), (step, name)
        found.append((reported["energy/real"], reported["energy/fake"], energies))
    return found


@pytest.mark.parametrize(("policy", "strength"), [(augment.POLICY, 1.0), (augment.POLICY, 0.5), (("color",), 1.0),
                                                  (("translation",), 1.0), (("cutout",), 0.8)])
def test_three_steps_of_ebgan_match_reference(tmp_path, policy, strength):
    torch.set_num_threads(1)
    images = random_images(STEPS, 32, 3, batch=8)
    text = config_of("ebgan", 8, "margin = 30.0") + section(policy, strength)
    ours = dump(tmp_path, text, images)
    hinge_steps(ours, images, 30.0, policy, lambda found: strength)
    assert ours["0.augment/strength"].item() == strength


def test_colors_of_bounded_networks_stay_in_their_range(tmp_path):
    """With tanh, D cannot reconstruct values beyond 1."""
    torch.set_num_threads(1)
    images = random_images(STEPS, 32, 3, batch=8)
    text = config_of("ebgan", 8, "margin = 30.0").replace('output = "linear"', 'output = "tanh"') + section(("color",), 1.0)
    ours = dump(tmp_path, text, images)
    networks = {"generator": began.make_generator(SHAPE), "discriminator": began.Discriminator(SHAPE)}
    load_start(ours, networks)
    d = networks["discriminator"]
    reals = augment.augmented(symmetric(images[0]), ours["0.augment_real"], policy=("color",), bounded=True)
    assert (reals.abs() == 1).any()
    with torch.no_grad():
        expected = (torch.tanh(d(reals)) - reals).flatten(1).pow(2).sum(1).sqrt().mean().item()
    assert ours["0.energy/real"].item() == pytest.approx(expected, rel=2e-5)


def test_adaptive_strength_follows_the_rule(tmp_path):
    torch.set_num_threads(1)
    images = random_images(STEPS, 32, 3, batch=8)
    text = config_of("ebgan", 8, "margin = 30.0") + section(augment.POLICY, '"auto"', "target = -0.9\nadapt_kimg = 1\n")
    ours = dump(tmp_path, text, images)
    signs = []

    def strength(found):
        middle, p = 0.0, 0.0
        signs.clear()
        for real, fake, energies in found:
            r = torch.sign(middle - energies).mean().item()
            p = min(1.0, max(0.0, p + (1 if r >= -0.9 else -1) * 8 / 1000))
            middle = (real + fake) / 2
            signs.append((r, p))
        return p

    strength(hinge_steps(ours, images, 30.0, augment.POLICY, strength))
    for step, (r, p) in enumerate(signs):
        assert ours[f"{step}.augment/overfit"].item() == pytest.approx(r, abs=1e-6)
        assert ours[f"{step}.augment/strength"].item() == pytest.approx(p, abs=1e-9)
    assert ours["state.objective.augment_strength"].item() == pytest.approx(signs[-1][1], abs=1e-9)


def test_three_steps_of_began_match_reference(tmp_path):
    torch.set_num_threads(1)
    images = random_images(STEPS, 32, 3, batch=8)
    text = config_of("began", 8, "gamma = 0.5\nlambda_k = 0.1", "l1_mean", optimizer='lr_schedule = "constant"') + section(augment.POLICY, 1.0)
    ours = dump(tmp_path, text, images)
    networks, optimizers = networks_of(ours, SHAPE)
    d, g = networks["discriminator"], networks["generator"]
    controller = began.Controller(0.5, 0.1)

    def energy(x, part, step):
        x = augment.augmented(x, ours[f"{step}.augment_{part}"])
        return (d(x) - x).abs().mean()

    for step in range(STEPS):
        d.zero_grad()
        real = energy(symmetric(images[step]), "real", step)
        with torch.no_grad():
            fakes = g(ours[f"{step}.z_d"])
        (real - controller.k * energy(fakes, "d", step)).backward()
        gradients = gradients_of("discriminator", d)
        optimizers["discriminator"].step()
        g.zero_grad()
        loss = energy(g(ours[f"{step}.z_g"]), "g", step)
        loss.backward()
        gradients |= gradients_of("generator", g)
        optimizers["generator"].step()
        controller.update(real.item(), loss.item())
        check_step(ours, step, gradients, networks, allowance=1e-6)
        assert ours[f"{step}.energy/real"].item() == pytest.approx(real.item(), rel=1e-4)
        assert ours[f"{step}.loss/G"].item() == pytest.approx(loss.item(), rel=1e-4)


def test_comparison_detects_a_wrong_reference(tmp_path):
    """Generated images that are not augmented, or draws of another part, must exceed the tolerances."""
    torch.set_num_threads(1)
    images = random_images(STEPS, 32, 3, batch=8)
    ours = dump(tmp_path, config_of("ebgan", 8, "margin = 30.0") + section(augment.POLICY, 1.0), images)
    for wrong in ({"d": "g"}, {"real": "d"}):
        swapped = dict(ours)
        for part, other in wrong.items():
            for step in range(STEPS):
                swapped[f"{step}.augment_{part}"] = ours[f"{step}.augment_{other}"]
        with pytest.raises(AssertionError):
            hinge_steps(swapped, images, 30.0, augment.POLICY, lambda found: 1.0)
    with pytest.raises(AssertionError):
        hinge_steps(ours, images, 30.0, (), lambda found: 1.0)
