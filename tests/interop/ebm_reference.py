"""An independent training of an energy by chains in plain PyTorch, to compare Valley's C++ one with.

Written from the equations of Du and Mordatch 2019 (arXiv 1903.08689) and docs/objectives-ebm.md. Images are
[B, C, H, W] in [0, 1]; draws are rows of H, W, C. The network is any module that gives [B] energies.
"""

import dataclasses

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class ChainSettings:
    steps: int
    step_size: float
    noise: float
    clamp: float
    temperature: float | None = None


def as_images(rows: Tensor, like: tuple) -> Tensor:
    """[B, H*W*C] as [B, C, H, W]."""
    channels, height, width = like
    return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)


def pixel_gradient(energy: torch.nn.Module, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(energy(x).sum(), x)[0]


def run_chains(energy: torch.nn.Module, x: Tensor, settings: ChainSettings, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Final images, and the mean gradient norm of each chain. `noise`: [steps, B, C, H, W], deviation 1."""
    norms = torch.zeros(len(x))
    for step in range(settings.steps):
        if settings.temperature is None:
            x = x + settings.noise * noise[step]
        slope = pixel_gradient(energy, x)
        norms += slope.flatten(1).norm(dim=1) / settings.steps
        if settings.clamp > 0:
            slope = slope.clamp(-settings.clamp, settings.clamp)
        if settings.temperature is None:
            x = x - settings.step_size * slope
        else:
            x = x - settings.noise**2 / (2 * settings.temperature) * slope + settings.noise * noise[step]
        x = x.clamp(0, 1)
    return x, norms


class Ring:
    """Replay buffer of one microbatch: uint8 [slots, H, W, C]."""

    def __init__(self, slots: int, height: int, width: int, channels: int) -> None:
        self.slots = torch.zeros(slots, height, width, channels, dtype=torch.uint8)
        self.taken = 0

    def starts(self, choice: Tensor, uniform: Tensor, restart: float) -> tuple[Tensor, Tensor]:
        """Initial images of chains, and which of them are noise. choice: [B, 2], uniform: [B, C, H, W], both in [0, 1)."""
        filled = min(self.taken, len(self.slots))
        fresh = (choice[:, 1].double() < restart) | (filled == 0)
        slot = (choice[:, 0].double() * filled).long()
        kept = (self.slots[slot].permute(0, 3, 1, 2).float() + uniform) / 256
        return torch.where(fresh.view(-1, 1, 1, 1), uniform, kept), fresh

    def take(self, x: Tensor) -> None:
        for image in (x * 256).floor().clamp(0, 255).byte().permute(0, 2, 3, 1):
            self.slots[self.taken % len(self.slots)] = image
            self.taken += 1


@dataclasses.dataclass(frozen=True)
class LossSettings:
    decay: float = 1.0
    r1: float = 0.0
    data_noise: float = 0.0
    softplus: bool = False
    generative: float = 1.0
    supervised: str = "none"
    supervised_weight: float = 1.0
    margin: float = 1.0


def loss_of(real: Tensor, fake: Tensor, settings: LossSettings) -> Tensor:
    contrast = torch.log1p(torch.exp(real - fake)) if settings.softplus else real - fake
    return (contrast + settings.decay * (real.square() + fake.square())).mean()


def supervised_of(energies: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    """Losses of LeCun et al. 2006, the mean over all images; those without a label (-1) have none. energies: [B, K]."""
    losses = []
    for e, y in zip(energies, labels.tolist()):
        if y < 0:
            losses.append(torch.zeros(()))
            continue
        wrong = torch.cat([e[:y], e[y + 1:]]).min()
        losses.append({"energy": lambda: e[y], "perceptron": lambda: e[y] - e.min(), "nll": lambda: -torch.log_softmax(-e, 0)[y],
                       "hinge": lambda: torch.clamp(settings.margin + e[y] - wrong, min=0), "log": lambda: torch.log1p(torch.exp(e[y] - wrong)),
                       "square-square": lambda: e[y].square() + torch.clamp(settings.margin - wrong, min=0).square()}[settings.supervised]())
    return torch.stack(losses).mean()


def r1_of(network: torch.nn.Module, reals: Tensor) -> Tensor:
    """Half of the squared norm of the energy's gradient at real images, the mean over them."""
    x = reals.detach().requires_grad_()
    (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean() / 2


def iterate_power(network: torch.nn.Module) -> None:
    """One power iteration of each spectral norm, as after a step."""
    with torch.no_grad():
        for module in network.modules():
            if getattr(module, "u", None) is None:
                continue
            matrix = module.weight.flatten(1)
            module.v.copy_(torch.nn.functional.normalize(matrix.t() @ module.u, dim=0))
            module.u.copy_(torch.nn.functional.normalize(matrix @ module.v, dim=0))
