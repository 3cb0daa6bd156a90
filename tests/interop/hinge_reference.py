"""EBGAN and MAGAN in plain PyTorch, as a reference for Valley's C++ ones.

Written from the papers (Zhao, Mathieu, LeCun 2016, arXiv 1609.03126; Wang, Cully, Chang, Demiris 2017,
arXiv 1704.03817), not from the C++ sources. `discriminator` is any autoencoder whose code is
`discriminator.encoder(x)`; images are [B, C, H, W].
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ENERGIES = {
    "l1_mean": lambda difference: difference.abs().mean(1),
    "l2_norm": lambda difference: difference.pow(2).sum(1).sqrt(),
    "l2_sum": lambda difference: difference.pow(2).sum(1),
    "mse": lambda difference: difference.pow(2).mean(1),
}


def energy(kind: str, discriminator: nn.Module, x: Tensor) -> Tensor:
    """[B]"""
    return ENERGIES[kind]((discriminator(x) - x).flatten(1))


def margin_of_rmse(kind: str, rmse: float, numbers: int) -> float:
    """Energy of an image of `numbers` elements that all differ by `rmse`."""
    return ENERGIES[kind](torch.full((1, numbers), rmse, dtype=torch.float64)).item()


def pulling_away(kind: str, codes: Tensor) -> Tensor:
    """Mean over all ordered pairs of different samples of their squared cosine ("squared") or cosine."""
    codes = codes.flatten(1)
    terms = []
    for i in range(len(codes)):
        for j in range(len(codes)):
            if i != j:
                cosine = torch.dot(codes[i], codes[j]) / (codes[i].norm() * codes[j].norm())
                terms.append(cosine**2 if kind == "squared" else cosine)
    return torch.stack(terms).mean()


def discriminator_loss(kind: str, discriminator: nn.Module, generator: nn.Module, reals: Tensor, z: Tensor,
                       margin: float, augment=lambda images: images) -> tuple[Tensor, dict[str, float]]:
    """Mean of D(x) + max(0, m - D(T(G(z)))) with the transform T = `augment`, and its reported metrics. `reals` are augmented."""
    with torch.no_grad():
        fakes = augment(generator(z))
    real, fake = energy(kind, discriminator, reals), energy(kind, discriminator, fakes)
    loss = real.mean() + (margin - fake).clamp(min=0).mean()
    return loss, {
        "loss/D": loss.item(),
        "energy/real": real.mean().item(),
        "energy/fake": fake.mean().item(),
        "hinge/active": (fake < margin).float().mean().item(),
        "margin": margin,
    }


def generator_loss(kind: str, discriminator: nn.Module, generator: nn.Module, z: Tensor, pulling: str = "none",
                   weight: float = 0.1, augment=lambda images: images) -> tuple[Tensor, dict[str, float]]:
    """Mean of D(T(G(z))) with the transform T = `augment`, and `weight` times the pulling-away term of the codes."""
    fakes = augment(generator(z))
    fake = energy(kind, discriminator, fakes).mean()
    if pulling == "none":
        return fake, {"loss/G": fake.item()}
    term = pulling_away(pulling, discriminator.encoder(fakes))
    loss = fake + weight * term
    return loss, {"loss/G": loss.item(), "pulling_away": term.item()}


class PlainAdamax(torch.optim.Optimizer):
    """Kingma & Ba 2015, algorithm 2, without bias correction, as in the code of MAGAN's authors, who add epsilon to the
    decayed maximum before it is compared with the gradient."""

    def __init__(self, parameters, lr: float, betas: tuple[float, float], eps: float = 1e-8) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                m = state["m"] = torch.lerp(state.get("m", torch.zeros_like(p)), p.grad, 1 - group["betas"][0])
                decayed = group["betas"][1] * state.get("u", torch.zeros_like(p)) + group["eps"]
                u = state["u"] = torch.maximum(decayed, p.grad.abs())
                p -= group["lr"] * m / u


@dataclass
class Margin:
    """MAGAN's rule (algorithm 1), from the sums of an epoch's batch means."""

    value: float = 0.0
    previous: float = math.inf

    def end_epoch(self, s_d: float, s_g: float, steps: int) -> bool:
        """True if the margin was reduced."""
        cut = s_g > self.previous and s_d < s_g and s_d / steps < self.value
        if cut:
            self.value = s_d / steps
        self.previous = s_g
        return cut
