"""Three steps of Valley's trainer compared with the PyTorch BEGAN for equal weights, images and
latents: every gradient, every parameter, the losses and k."""

import pytest
import torch

import began_reference as began
from dumped_training import GRADIENT_TOLERANCE, check, check_step, dump, gradients_of, load_start, part_of
from dumped_training import random_images, symmetric

STEPS = 3
RATE = 1e-3

CASES = [
    # size, channels, skip, downsample, gamma, lambda_k
    (32, 3, False, "strided", 0.5, 0.001),
    (32, 3, True, "strided", 0.7, 0.2),
    (64, 1, True, "extra", 0.3, 0.5),
    (128, 3, False, "extra", 0.7, 0.1),
]


def train(folder, config, gamma, lambda_k, schedule="alternating", overrides=()):
    images = random_images(STEPS, config.size, config.channels)
    text = f"""
[model]
resolution = {config.size}
channels = {config.channels}
width = {config.width}
latent = {config.latent}
hidden = {config.hidden}
skip_connections = {str(config.skip).lower()}
downsample = "{config.downsample}"
[objective]
gamma = {gamma}
lambda_k = {lambda_k}
[train]
global_batch = {images.shape[1]}
seed = 17
schedule = "{schedule}"
report_every = 1
[optimizer]
lr = {RATE}
lr_schedule = "constant"
"""
    return dump(folder, text, images, overrides=overrides), images


def start(ours, config):
    networks = {"generator": began.make_generator(config), "discriminator": began.Discriminator(config)}
    load_start(ours, networks)
    optimizers = {name: began.make_optimizer(network, RATE) for name, network in networks.items()}
    return networks, optimizers


class SignsAtStake:
    """How far gradients may differ because the sign of a pixel's x - D(x) is decided by rounding: each such pixel has a part of
    1/N in the derivative of the mean, one way or the other. Later steps inherit it."""

    NEAR = 3e-6  # of values in [-1, 1]

    def __init__(self, discriminator):
        self.found = 0.0
        discriminator.register_forward_hook(self.look)

    def tolerance(self):
        """Of losses, relative."""
        return 1e-4 if self.found > 0 else 1e-5

    def look(self, _, given, image):
        self.found += 2.0 * ((given[0] - image).abs() < self.NEAR).sum().item() / image.numel()


def check_report(ours, step, real, fake, loss_g, k, controller, tolerance):
    reported = {
        "loss/D": real - k * fake,
        "loss/G": loss_g,
        "energy/real": real,
        "energy/fake": fake,
        "k": controller.k,
        "M": controller.convergence,
    }
    for name, expected in reported.items():
        assert ours[f"{step}.{name}"].item() == pytest.approx(expected, rel=tolerance, abs=1e-8), (step, name)


@pytest.mark.parametrize(("size", "channels", "skip", "downsample", "gamma", "lambda_k"), CASES)
def test_three_steps_match_reference(tmp_path, size, channels, skip, downsample, gamma, lambda_k):
    torch.set_num_threads(1)
    config = began.BeganConfig(size, channels, width=6, latent=5, hidden=7, skip=skip, downsample=downsample)
    ours, images = train(tmp_path, config, gamma, lambda_k)
    networks, optimizers = start(ours, config)
    generator, discriminator = networks["generator"], networks["discriminator"]
    signs = SignsAtStake(discriminator)
    controller = began.Controller(gamma, lambda_k)

    for step in range(STEPS):
        k = controller.k
        optimizers["discriminator"].zero_grad()
        loss_d, real, fake = began.discriminator_loss(
            discriminator, generator, symmetric(images[step]), ours[f"{step}.z_d"], k)
        loss_d.backward()
        gradients = gradients_of("discriminator", discriminator)
        optimizers["discriminator"].step()
        optimizers["generator"].zero_grad()
        loss_g = began.generator_loss(discriminator, generator, ours[f"{step}.z_g"])
        loss_g.backward()
        gradients |= gradients_of("generator", generator)
        optimizers["generator"].step()
        controller.update(real.item(), loss_g.item())
        check_step(ours, step, gradients, networks, signs.found)
        check_report(ours, step, real.item(), fake.item(), loss_g.item(), k, controller,
                     signs.tolerance())
    assert controller.k != 0.0 or lambda_k < 0.01


def test_three_steps_with_clipped_gradients_match_reference(tmp_path):
    """G's gradients are above the limit, D's below."""
    torch.set_num_threads(1)
    config = began.BeganConfig(32, 3, width=6, latent=5, hidden=7, skip=True)
    limit = 0.1
    ours, images = train(tmp_path, config, 0.5, 0.1, overrides=(f"optimizer.clip_norm={limit}",))
    networks, optimizers = start(ours, config)
    generator, discriminator = networks["generator"], networks["discriminator"]
    signs = SignsAtStake(discriminator)
    controller = began.Controller(0.5, 0.1)
    clipped = set()
    for step in range(STEPS):
        gradients = {}

        def update(name, loss):
            optimizers[name].zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(networks[name].parameters(), limit)
            assert ours[f"{step}.grad_norm/{name[0].upper()}"].item() == pytest.approx(norm.item(), rel=1e-3)
            if norm > limit:
                clipped.add(name)
            gradients.update(gradients_of(name, networks[name]))
            optimizers[name].step()

        loss_d, real, _ = began.discriminator_loss(discriminator, generator, symmetric(images[step]), ours[f"{step}.z_d"], controller.k)
        update("discriminator", loss_d)
        loss_g = began.generator_loss(discriminator, generator, ours[f"{step}.z_g"])
        update("generator", loss_g)
        controller.update(real.item(), loss_g.item())
        check_step(ours, step, gradients, networks, signs.found)
    assert clipped == {"generator"}


def test_three_steps_of_shared_schedule_match_reference(tmp_path):
    """One z for both networks; D's gradient is that of L(x) - k L(G(z)), G's that of L(G(z)) under the same D."""
    torch.set_num_threads(1)
    config = began.BeganConfig(32, 3, width=6, latent=5, hidden=7, skip=True)
    ours, images = train(tmp_path, config, 0.9, 2.0, schedule="shared")
    networks, optimizers = start(ours, config)
    generator, discriminator = networks["generator"], networks["discriminator"]
    signs = SignsAtStake(discriminator)
    controller = began.Controller(0.9, 2.0)
    used = []
    for step in range(STEPS):
        k = controller.k
        used.append(k)
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        z = ours[f"{step}.z_d"]
        loss_d, real, fake = began.discriminator_loss(discriminator, generator, symmetric(images[step]), z, k)
        loss_d.backward()
        began.generator_loss(discriminator, generator, z).backward()
        gradients = gradients_of("discriminator", discriminator) | gradients_of("generator", generator)
        for optimizer in optimizers.values():
            optimizer.step()
        controller.update(real.item(), fake.item())
        check_step(ours, step, gradients, networks, signs.found)
        check_report(ours, step, real.item(), fake.item(), fake.item(), k, controller,
                     signs.tolerance())
    assert used[1] > 0.05, "with k at 0 a wrong coefficient would not show"


def test_comparison_detects_a_wrong_reference(tmp_path):
    """Another latent vector must exceed the tolerance of the gradients."""
    config = began.BeganConfig(32, 3, width=6, latent=5, hidden=7)
    ours, _ = train(tmp_path, config, 0.5, 0.1)
    networks, _ = start(ours, config)
    began.generator_loss(networks["discriminator"], networks["generator"], ours["1.z_g"]).backward()
    with pytest.raises(AssertionError):
        for name, gradient in gradients_of("generator", networks["generator"]).items():
            check(name, part_of(ours, "0.gradient.")[name], gradient, GRADIENT_TOLERANCE)
