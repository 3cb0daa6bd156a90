"""Three steps of Valley's trainer against the independent PyTorch BEGAN: the same weights, images
and latents in; every gradient, every parameter, the losses and k out."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import began_reference as began

BUILD = Path(os.environ.get("VALLEY_BUILD", Path(__file__).parents[2] / "build"))
STEPS = 3
BATCH = 4
RATE = 1e-3
# Relative to each tensor's largest number. Two float32 implementations differ by rounding alone: 1e-6
# or so a sum, more where terms cancel and after Adam has divided by small moments.
GRADIENT_TOLERANCE = 2e-4
VALUE_TOLERANCE = 1e-3

CASES = [
    # size, channels, skip, downsample, gamma, lambda_k
    (32, 3, False, "strided", 0.5, 0.001),
    (32, 3, True, "strided", 0.7, 0.2),
    (64, 1, True, "extra", 0.3, 0.5),
    (128, 3, False, "extra", 0.7, 0.1),
]


def dump(folder: Path, config: began.BeganConfig, gamma: float, lambda_k: float) -> tuple[dict, torch.Tensor]:
    torch.manual_seed(7)
    size = config.size
    images = torch.randint(0, 256, (STEPS, BATCH, size, size, config.channels), dtype=torch.uint8)
    save_file({"images": images}, folder / "in.safetensors")
    arguments = [int(config.skip), config.downsample, gamma, lambda_k, RATE, config.width, config.latent, config.hidden]
    subprocess.run(
        [BUILD / "tests/train/training_dump", folder / "in.safetensors", folder / "out.safetensors", *map(str, arguments)],
        check=True,
        timeout=120,
    )
    return load_file(folder / "out.safetensors"), images


def check(tag: str, got: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    assert got.shape == expected.shape, tag
    scale = expected.abs().max().item()
    difference = (got - expected).abs().max().item()
    assert difference <= tolerance * scale + 1e-9, f"{tag}: differs by {difference:.3g}, largest number {scale:.3g}"


@pytest.mark.parametrize("size,channels,skip,downsample,gamma,lambda_k", CASES)
def test_three_steps(tmp_path, size, channels, skip, downsample, gamma, lambda_k):
    torch.set_num_threads(1)
    config = began.BeganConfig(size, channels, width=6, latent=5, hidden=7, skip=skip, downsample=downsample)
    ours, images = dump(tmp_path, config, gamma, lambda_k)

    networks = {"generator": began.make_generator(config), "discriminator": began.Discriminator(config)}
    for name, network in networks.items():
        start = {k.removeprefix(f"start.{name}."): v for k, v in ours.items() if k.startswith(f"start.{name}.")}
        network.load_state_dict(start)  # strict: names and shapes are the same
    generator, discriminator = networks["generator"], networks["discriminator"]
    optimizers = {name: began.make_optimizer(network, RATE) for name, network in networks.items()}
    controller = began.Controller(gamma, lambda_k)

    for step in range(STEPS):
        reals = (images[step].permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()
        k = controller.k
        optimizers["discriminator"].zero_grad()
        loss_d, real, fake = began.discriminator_loss(discriminator, generator, reals, ours[f"{step}.z_d"], k)
        loss_d.backward()
        gradients = {f"discriminator.{n}": p.grad.clone() for n, p in discriminator.named_parameters()}
        optimizers["discriminator"].step()
        optimizers["generator"].zero_grad()
        loss_g = began.generator_loss(discriminator, generator, ours[f"{step}.z_g"])
        loss_g.backward()
        gradients |= {f"generator.{n}": p.grad.clone() for n, p in generator.named_parameters()}
        optimizers["generator"].step()
        controller.update(real.item(), loss_g.item())

        for name, expected in gradients.items():
            check(f"step {step}, gradient of {name}", ours[f"{step}.gradient.{name}"], expected, GRADIENT_TOLERANCE)
        for name, network in networks.items():
            for tensor, expected in network.state_dict().items():
                got = ours[f"{step}.value.{name}.{tensor}"]
                check(f"step {step}, {name}.{tensor}", got, expected, VALUE_TOLERANCE)
        reported = {
            "loss/D": loss_d.item(),
            "loss/G": loss_g.item(),
            "energy/real": real.item(),
            "energy/fake": fake.item(),
            "k": controller.k,
            "M": controller.convergence,
        }
        for name, expected in reported.items():
            assert ours[f"{step}.{name}"].item() == pytest.approx(expected, rel=1e-5, abs=1e-8), (step, name)
    assert controller.k != 0.0 or lambda_k < 0.01


def test_the_comparison_can_fail(tmp_path):
    """Another latent must show in the gradients: the tolerance is no rubber stamp."""
    config = began.BeganConfig(32, 3, width=6, latent=5, hidden=7)
    ours, _ = dump(tmp_path, config, 0.5, 0.1)
    generator, discriminator = began.make_generator(config), began.Discriminator(config)
    generator.load_state_dict({k[16:]: v for k, v in ours.items() if k.startswith("start.generator.")})
    discriminator.load_state_dict({k[20:]: v for k, v in ours.items() if k.startswith("start.discriminator.")})
    began.generator_loss(discriminator, generator, ours["1.z_g"]).backward()
    with pytest.raises(AssertionError):
        for name, parameter in generator.named_parameters():
            check(name, ours[f"0.gradient.generator.{name}"], parameter.grad, GRADIENT_TOLERANCE)
