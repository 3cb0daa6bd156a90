"""An independent BEGAN in plain PyTorch, as a reference for Valley's C++ one.

Written from the equations of Berthelot, Schumm and Metz 2017 (arXiv 1703.10717), not from the C++
sources, so that a mistake would have to be made twice to go unseen. Parameter names are those of
`model.safetensors` without the prefixes `generator.` (a Decoder) and `discriminator.`: both load
with `load_state_dict`. Images are [B, C, H, W] in [-1, 1]; energies are `l1_mean`.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BASE = 8  # side of the smallest feature maps


@dataclass(frozen=True)
class BeganConfig:
    """The shape of both networks. `downsample` is "strided" (the second convolution of a level
    strides) or "extra" (a third convolution strides, as the common implementation does)."""

    size: int
    channels: int = 3
    width: int = 128
    latent: int = 64
    hidden: int = 64
    skip: bool = False
    downsample: str = "strided"

    def __post_init__(self) -> None:
        if self.size < BASE or self.size & (self.size - 1):
            raise ValueError(f"size {self.size} is not a power of two of at least {BASE}")
        if self.downsample not in ("strided", "extra"):
            raise ValueError(f'downsample "{self.downsample}" is neither "strided" nor "extra"')

    @property
    def levels(self) -> int:
        return self.size.bit_length() - 3  # log2(size) - 2


class DecoderLevel(nn.Module):
    """Two 3x3 convolutions, each with ELU."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(inputs, width, 3, padding=1)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.conv1(F.elu(self.conv0(x))))


class Decoder(nn.Module):
    """[B, inputs] -> [B, C, size, size]: the generator, and the discriminator's second half."""

    def __init__(self, config: BeganConfig, inputs: int) -> None:
        super().__init__()
        n = config.width
        self.skip = config.skip
        self.linear = nn.Linear(inputs, BASE * BASE * n)
        self.levels = nn.ModuleList(
            DecoderLevel(2 * n if config.skip and level > 0 else n, n)
            for level in range(config.levels)
        )
        self.output = nn.Conv2d(n, config.channels, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        h0 = self.linear(h).unflatten(1, (-1, BASE, BASE))  # [B, n, 8, 8]
        x = h0
        for level, convs in enumerate(self.levels):
            if level > 0:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                if self.skip:
                    x = torch.cat([x, F.interpolate(h0, scale_factor=2**level, mode="nearest")], 1)
            x = convs(x)
        return self.output(x)


class EncoderLevel(nn.Module):
    """Two 3x3 convolutions with ELU; a level but the last halves the side, in its second
    convolution or in one more."""

    def __init__(self, inputs: int, width: int, last: bool, downsample: str) -> None:
        super().__init__()
        stride = 2 if downsample == "strided" and not last else 1
        self.conv0 = nn.Conv2d(inputs, width, 3, padding=1)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, stride=stride)
        extra = downsample == "extra" and not last
        self.down = nn.Conv2d(width, width, 3, padding=1, stride=2) if extra else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.elu(self.conv1(F.elu(self.conv0(x))))
        return x if self.down is None else F.elu(self.down(x))


class Encoder(nn.Module):
    """[B, C, size, size] -> [B, hidden]. Level l has n (l + 1) filters."""

    def __init__(self, config: BeganConfig) -> None:
        super().__init__()
        n, count = config.width, config.levels
        self.input = nn.Conv2d(config.channels, n, 3, padding=1)
        self.levels = nn.ModuleList(
            EncoderLevel(n * max(level, 1), n * (level + 1), level == count - 1, config.downsample)
            for level in range(count)
        )
        self.linear = nn.Linear(BASE * BASE * n * count, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = F.elu(self.input(x))
        for level in self.levels:
            x = level(x)
        return self.linear(x.flatten(1))


class Discriminator(nn.Module):
    """An autoencoder of images."""

    def __init__(self, config: BeganConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def make_generator(config: BeganConfig) -> Decoder:
    return Decoder(config, config.latent)


@torch.no_grad()
def initialize(network: nn.Module) -> None:
    """Xavier-uniform weights, zero biases."""
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        else:
            nn.init.xavier_uniform_(parameter)


def sample_latents(count: int, config: BeganConfig, rng: torch.Generator | None = None) -> Tensor:
    """U(-1, 1). [count, latent]"""
    return torch.rand(count, config.latent, generator=rng) * 2 - 1


def energy(discriminator: nn.Module, x: Tensor) -> Tensor:
    """`l1_mean`: the mean over pixels of abs(x - D(x)), a value per image. [B]"""
    return (x - discriminator(x)).abs().mean(dim=(1, 2, 3))


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients flow through the network but not into its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def discriminator_loss(
    discriminator: nn.Module, generator: nn.Module, reals: Tensor, z_d: Tensor, k: float
) -> tuple[Tensor, Tensor, Tensor]:
    """L_D = L(x) - k L(G(z_D)), with L(x) and L(G(z_D)): batch means. G gets no gradient."""
    with torch.no_grad():
        fakes = generator(z_d)
    real = energy(discriminator, reals).mean()
    fake = energy(discriminator, fakes).mean()
    return real - k * fake, real, fake


def generator_loss(discriminator: nn.Module, generator: nn.Module, z_g: Tensor) -> Tensor:
    """L_G = L(G(z_G)), through both the target and the output of the frozen D."""
    with frozen(discriminator):
        return energy(discriminator, generator(z_g)).mean()


@dataclass
class Controller:
    """k and the convergence measure M, from means over the whole batch."""

    gamma: float = 0.5
    lambda_k: float = 0.001
    k: float = 0.0
    convergence: float = float("nan")

    def update(self, real: float, fake: float) -> None:
        """k' = clip(k + lambda_k (gamma L(x) - L(G(z_G))), 0, 1); M = L(x) + abs(the same)."""
        balance = self.gamma * real - fake
        self.k = min(max(self.k + self.lambda_k * balance, 0.0), 1.0)
        self.convergence = real + abs(balance)


def make_optimizer(network: nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.999), eps=1e-8)


@dataclass
class Trainer:
    """The alternating schedule: D's step first, then G's against the new D, then k."""

    discriminator: Discriminator
    generator: Decoder
    controller: Controller
    d_optimizer: torch.optim.Adam
    g_optimizer: torch.optim.Adam

    def step(self, reals: Tensor, z_d: Tensor, z_g: Tensor) -> dict[str, float]:
        """One step. k in the result is the one that the step used; M is the step's own."""
        k = self.controller.k
        self.d_optimizer.zero_grad()
        loss_d, real, fake_d = discriminator_loss(
            self.discriminator, self.generator, reals, z_d, k
        )
        loss_d.backward()
        self.d_optimizer.step()

        self.g_optimizer.zero_grad()
        loss_g = generator_loss(self.discriminator, self.generator, z_g)
        loss_g.backward()
        self.g_optimizer.step()

        self.controller.update(real.item(), loss_g.item())
        return {
            "loss/D": loss_d.item(),
            "loss/G": loss_g.item(),
            "energy/real": real.item(),
            "energy/fake": fake_d.item(),
            "k": k,
            "M": self.controller.convergence,
        }
