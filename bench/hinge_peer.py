"""A step of EBGAN, EBGAN-PT and MAGAN (its alternating stage) in PyTorch and DistributedDataParallel. peer_ddp.py runs it.

Batch norm takes the moments of a rank's images, as Valley's does with one microbatch per rank. The running moments, which
no loss depends on, follow PyTorch's rule.
"""

from argparse import Namespace
from collections.abc import Iterable

import torch
from peer_base import Energies, GanPeer
from torch import Tensor, nn
from torch.nn import functional as F

from networks_in_pytorch import make_networks  # after peer_base, which adds its folder

LATENTS = {"ebgan": 100, "ebgan-pt": 100, "magan": 350}
RMSE = 0.18  # per pixel, of the margin: 20 for EBGAN at 64x64


def l2_norm(difference: Tensor) -> Tensor:
    return torch.linalg.vector_norm(difference.float(), dim=(1, 2, 3))


def l2_sum(difference: Tensor) -> Tensor:
    return difference.float().square().sum(dim=(1, 2, 3))


def pulling_away(codes: Tensor) -> Tensor:
    """The mean squared cosine of all ordered pairs of different codes."""
    directions = F.normalize(codes.float().flatten(1), dim=1)
    squares = (directions @ directions.t()).square()
    n = len(codes)
    return (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))


class GeneratorLoss(nn.Module):
    """Mean energy of generated images and `weight` times the pulling-away term of their codes; the loss, then the term. D
    is not a parameter of this module."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, norm, weight: float) -> None:
        super().__init__()
        self.generator, self.norm, self.weight = generator, norm, weight
        self.judge = [discriminator]

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        fakes = self.generator(z)
        codes = self.judge[0].encoder(fakes)
        loss = self.norm(self.judge[0].decoder(codes) - fakes).mean()
        if self.weight == 0:
            return (loss,)
        term = pulling_away(codes)
        return loss + self.weight * term, term


class Adamax:
    """Kingma & Ba 2015, algorithm 2, without bias correction, as in the code of MAGAN's authors: epsilon is added to the decayed
    maximum. torch.optim.Adamax corrects the bias and adds epsilon to the gradient."""

    def __init__(self, parameters: Iterable[Tensor], rate: float) -> None:
        self.parameters, self.rate = list(parameters), rate
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.maxima = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self, set_to_none: bool) -> None:
        assert set_to_none
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        gradients = [p.grad for p in self.parameters]
        torch._foreach_lerp_(self.means, gradients, 1 - 0.5)
        torch._foreach_mul_(self.maxima, 0.999)
        torch._foreach_add_(self.maxima, 1e-8)
        torch._foreach_maximum_(self.maxima, torch._foreach_abs(gradients))
        torch._foreach_addcdiv_(self.parameters, self.means, self.maxima, value=-self.rate)


class HingePeer(GanPeer):
    def __init__(self, options: Namespace, device: torch.device) -> None:
        self.is_magan = options.objective == "magan"
        self.latent = options.latent or LATENTS[options.objective]
        super().__init__(options, device, make_networks(
            {"name": "magan" if self.is_magan else "ebgan", "resolution": options.resolution, "channels": 3,
             "width": options.width, "latent": self.latent, "batch_norm": not self.is_magan, "output": "tanh"}))
        if options.passes == "concat" and not self.is_magan:
            raise SystemExit("--passes concat would mix batch norm's moments of real and generated images; "
                             "use split or together")
        norm = l2_sum if self.is_magan else l2_norm
        self.reducer, self.energies = self.distributed(Energies(self.discriminator, lambda d, x: norm(d(x) - x)))
        weight = options.pulling_away_weight if options.objective == "ebgan-pt" else 0
        _, self.generator_losses = self.distributed(GeneratorLoss(self.generator, self.discriminator, norm, weight))
        self.generate = self.compiled(self.generator)
        if self.is_magan:
            self.optimizers = [Adamax(n.parameters(), options.rate or 5e-4) for n in (self.discriminator, self.generator)]
        else:
            self.optimizers = self.adam(options.rate or 2e-4)
        values = 3 * options.resolution**2
        self.margin = options.margin or norm(torch.full((1, values, 1, 1), RMSE)).item()
        self.epoch_sums = torch.zeros(2, device=device)  # S_D and S_G, which MAGAN reduces at the end of an epoch

    def draw(self, draws: torch.Generator) -> tuple[Tensor, ...]:
        return tuple(torch.randn((2, self.images_per_rank, self.latent), generator=draws, device=self.device))

    def fake_loss(self, energies: Tensor) -> Tensor:
        return (self.margin - energies).clamp(min=0).mean()

    def step(self, pixels: Tensor, z_d: Tensor, z_g: Tensor) -> dict[str, Tensor]:
        """Losses of this rank's share before the step; without waiting for the device."""
        real, fake, (loss_g, *term) = self.alternating_step(self.images(pixels), z_d, z_g)
        self.update_average()
        mean = real.mean()
        losses = {"energy/real": mean, "energy/fake": fake.mean(), "loss/D": mean + self.fake_loss(fake), "loss/G": loss_g}
        if term:
            losses["pulling_away"] = term[0]
        if self.is_magan:
            self.epoch_sums[0] += mean
            self.epoch_sums[1] += loss_g
        return losses
