"""Names, counts and equations of began_reference.py, which other tests rely on."""

import pytest
import torch
from began_reference import (
    BeganConfig,
    Controller,
    Discriminator,
    Trainer,
    discriminator_loss,
    energy,
    generator_loss,
    initialize,
    make_generator,
    make_optimizer,
    sample_latents,
)

SMALL = BeganConfig(32, width=4, latent=6, hidden=5, skip=True)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def build(config, seed=0):
    torch.manual_seed(seed)
    networks = Discriminator(config), make_generator(config)
    for network in networks:
        initialize(network)
    return networks


def batch(config, images=4, seed=7):
    rng = torch.Generator().manual_seed(seed)
    reals = torch.rand(images, config.channels, config.size, config.size, generator=rng) * 2 - 1
    return reals, sample_latents(images, config, rng), sample_latents(images, config, rng)


def trainer(discriminator, generator, **controller):
    return Trainer(
        discriminator,
        generator,
        Controller(**controller),
        make_optimizer(discriminator, 1e-3),
        make_optimizer(generator, 1e-3),
    )


# Counted by hand from the layer table (n = 128, h = 64), not by running the code.
@pytest.mark.parametrize(
    ("size", "downsample", "skip", "expected"),
    [
        (32, "strided", False, 6_390_979),
        (64, "strided", False, 11_340_227),
        (128, "strided", False, 18_796_483),
        (128, "extra", False, 23_221_443),
        (128, "strided", True, 18_796_483 + 4 * 9 * 128 * 128),
        (256, "strided", False, 29_349_571),
    ],
)
def test_discriminator_parameter_count(size, downsample, skip, expected):
    with torch.device("meta"):
        assert count(Discriminator(BeganConfig(size, skip=skip, downsample=downsample))) == expected


@pytest.mark.parametrize(("skip", "expected"), [(False, 2_011_779), (True, 2_601_603)])
def test_generator_parameter_count(skip, expected):
    with torch.device("meta"):
        assert count(make_generator(BeganConfig(128, skip=skip))) == expected


def test_tensor_names_and_shapes():
    config = BeganConfig(16, channels=1, width=4, latent=6, hidden=5, skip=True, downsample="extra")
    decoder = {
        "levels.0.conv0.weight": (4, 4, 3, 3),
        "levels.0.conv0.bias": (4,),
        "levels.0.conv1.weight": (4, 4, 3, 3),
        "levels.0.conv1.bias": (4,),
        "levels.1.conv0.weight": (4, 8, 3, 3),
        "levels.1.conv0.bias": (4,),
        "levels.1.conv1.weight": (4, 4, 3, 3),
        "levels.1.conv1.bias": (4,),
        "output.weight": (1, 4, 3, 3),
        "output.bias": (1,),
        "linear.bias": (256,),
    }
    encoder = {
        "input.weight": (4, 1, 3, 3),
        "input.bias": (4,),
        "levels.0.conv0.weight": (4, 4, 3, 3),
        "levels.0.conv0.bias": (4,),
        "levels.0.conv1.weight": (4, 4, 3, 3),
        "levels.0.conv1.bias": (4,),
        "levels.0.down.weight": (4, 4, 3, 3),
        "levels.0.down.bias": (4,),
        "levels.1.conv0.weight": (8, 4, 3, 3),
        "levels.1.conv0.bias": (8,),
        "levels.1.conv1.weight": (8, 8, 3, 3),
        "levels.1.conv1.bias": (8,),
        "linear.weight": (5, 512),
        "linear.bias": (5,),
    }
    discriminator, generator = build(config)

    def shapes(network):
        return {name: tuple(value.shape) for name, value in network.state_dict().items()}

    assert shapes(generator) == decoder | {"linear.weight": (256, 6)}
    expected = {f"encoder.{name}": shape for name, shape in encoder.items()}
    expected |= {f"decoder.{name}": shape for name, shape in decoder.items()}
    assert shapes(discriminator) == expected | {"decoder.linear.weight": (256, 5)}


@pytest.mark.parametrize("downsample", ["strided", "extra"])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("size", [8, 16, 64])
def test_images_keep_their_shape(size, skip, downsample):
    config = BeganConfig(
        size, channels=1, width=2, latent=3, hidden=4, skip=skip, downsample=downsample
    )
    discriminator, generator = build(config)
    fakes = generator(sample_latents(2, config))
    assert fakes.shape == (2, 1, size, size)
    assert discriminator(fakes).shape == fakes.shape


@pytest.mark.parametrize("bad", [{"size": 48}, {"size": 4}, {"size": 32, "downsample": "pool"}])
def test_impossible_shapes_are_rejected(bad):
    with pytest.raises(ValueError):
        BeganConfig(**bad)


def test_skip_appends_upsampled_h0_after_the_features():
    plain = make_generator(BeganConfig(32, width=4, latent=6))
    skipping = make_generator(SMALL)
    with torch.no_grad():
        for name, weight in skipping.state_dict().items():
            source = plain.state_dict()[name]
            weight.zero_()
            if weight.dim() == 4:
                weight[:, : source.shape[1]] = source
            else:
                weight.copy_(source)
        _, z, _ = batch(SMALL)
        torch.testing.assert_close(skipping(z), plain(z))

        skipping.levels[1].conv0.weight[:, 4:].normal_()
        h0 = skipping.linear(z).unflatten(1, (4, 8, 8))
        x = skipping.levels[0](h0)
        x = torch.cat([x, h0], 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = skipping.levels[1](x).repeat_interleave(2, 2).repeat_interleave(2, 3)
        h0 = h0.repeat_interleave(4, 2).repeat_interleave(4, 3)
        x = skipping.levels[2](torch.cat([x, h0], 1))
        torch.testing.assert_close(skipping(z), skipping.output(x))


def test_reference_optimizer_is_published_adam():
    defaults = make_optimizer(torch.nn.Linear(1, 1), 2e-4).defaults
    assert (defaults["lr"], defaults["betas"], defaults["eps"]) == (2e-4, (0.5, 0.999), 1e-8)
    assert not defaults["amsgrad"] and defaults["weight_decay"] == 0


def test_initial_weights_are_xavier_uniform():
    discriminator, _ = build(BeganConfig(32, width=16))
    conv = discriminator.encoder.levels[1].conv0
    bound = (6 / (9 * (16 + 32))) ** 0.5
    assert 0.95 * bound < conv.weight.abs().max() <= bound
    assert conv.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert conv.bias.abs().max() == 0


def test_energy_is_a_mean_over_pixels_per_image():
    x = torch.stack([torch.full((3, 8, 8), 0.25), torch.full((3, 8, 8), -0.5)])
    assert energy(torch.zeros_like, x).tolist() == [0.25, 0.5]


def test_discriminator_phase_gives_the_generator_no_gradient():
    discriminator, generator = build(SMALL)
    reals, z_d, _ = batch(SMALL)
    loss, real, fake = discriminator_loss(discriminator, generator, reals, z_d, k=0.3)
    assert loss.item() == pytest.approx(real.item() - 0.3 * fake.item())
    loss.backward()
    assert all(p.grad is None for p in generator.parameters())
    assert all(p.grad is not None for p in discriminator.parameters())


def test_generator_phase_gives_the_discriminator_no_gradient_and_uses_both_paths():
    discriminator, generator = build(SMALL)
    _, _, z_g = batch(SMALL)
    generator_loss(discriminator, generator, z_g).backward()
    assert all(p.grad is None for p in discriminator.parameters())
    assert all(p.requires_grad for p in discriminator.parameters())
    whole = generator.output.weight.grad.clone()

    generator.zero_grad()
    fakes = generator(z_g)
    (fakes.detach() - discriminator(fakes)).abs().mean().backward()
    through_output = generator.output.weight.grad.clone()
    generator.zero_grad()
    fakes = generator(z_g)
    (fakes - discriminator(fakes).detach()).abs().mean().backward()
    torch.testing.assert_close(through_output + generator.output.weight.grad, whole)
    assert through_output.abs().max() > 0


def test_controller_follows_its_equations_and_clips():
    controller = Controller(gamma=0.5, lambda_k=0.1)
    controller.update(real=0.8, fake=0.1)
    assert controller.k == pytest.approx(0.03)
    assert controller.convergence == pytest.approx(1.1)
    controller.update(real=0.2, fake=0.9)
    assert controller.k == 0.0
    assert controller.convergence == pytest.approx(1.0)
    for _ in range(40):
        controller.update(real=0.8, fake=0.0)
    assert controller.k == 1.0


def test_step_is_two_adam_updates_in_order():
    """The first step of Adam moves every weight by lr g / (|g| + eps): G's gradient must be the
    one through the discriminator that was already updated, D's the one at the old k."""
    discriminator, generator = build(SMALL)
    reals, z_d, z_g = batch(SMALL)
    began = trainer(discriminator, generator, gamma=0.5, lambda_k=0.1, k=0.25)
    reference_d, reference_g = build(SMALL)

    result = began.step(reals, z_d, z_g)

    loss, real, _ = discriminator_loss(reference_d, reference_g, reals, z_d, 0.25)
    parameters = list(reference_d.parameters())
    expect_adam(parameters, torch.autograd.grad(loss, parameters), discriminator)
    loss_g = generator_loss(discriminator, reference_g, z_g)
    parameters = list(reference_g.parameters())
    expect_adam(parameters, torch.autograd.grad(loss_g, parameters), generator)
    assert result["k"] == 0.25
    assert result["loss/G"] == pytest.approx(loss_g.item())
    k = 0.25 + 0.1 * (0.5 * real.item() - loss_g.item())
    assert began.controller.k == pytest.approx(k)


def expect_adam(parameters, gradients, updated):
    for old, gradient, new in zip(parameters, gradients, updated.parameters(), strict=True):
        expected = old - 1e-3 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(new.detach(), expected.detach(), rtol=0, atol=2e-6)


def test_training_lowers_energy_of_real_images():
    discriminator, generator = build(SMALL)
    began = trainer(discriminator, generator)
    reals, _, _ = batch(SMALL)
    reals = reals.mean(dim=(2, 3), keepdim=True).expand_as(reals)
    rng = torch.Generator().manual_seed(1)
    energies = [
        began.step(reals, sample_latents(4, SMALL, rng), sample_latents(4, SMALL, rng))[
            "energy/real"
        ]
        for _ in range(60)
    ]
    assert energies[-1] < 0.5 * energies[0]
