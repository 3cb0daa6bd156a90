"""A step of BEGAN in PyTorch and DistributedDataParallel. peer_ddp.py runs it."""

from argparse import Namespace

import torch
import torch.distributed as dist
from peer_base import Energies, GanPeer
from torch import Tensor, nn

from networks_in_pytorch import make_networks  # after peer_base, which adds its folder


class GeneratorEnergy(nn.Module):
    """The mean energy of generated images; D is not a parameter of this module."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.judge = [discriminator]

    def forward(self, z: Tensor) -> tuple[Tensor]:
        return (energy(self.judge[0], self.generator(z)).mean(),)


def energy(discriminator: nn.Module, x: Tensor) -> Tensor:
    return (x.float() - discriminator(x).float()).abs().mean(dim=(1, 2, 3))


class BeganPeer(GanPeer):
    def __init__(self, options: Namespace, device: torch.device) -> None:
        super().__init__(options, device, make_networks(
            {"name": "began", "resolution": options.resolution, "channels": 3, "width": options.width,
             "latent": options.latent or 64, "hidden": options.hidden, "skip_connections": False, "downsample": "strided",
             "output": "linear", "vanishing_residuals": "0"}))
        self.reducer, self.energies = self.distributed(Energies(self.discriminator, energy))
        if options.schedule == "shared":
            _, self.generate = self.distributed(self.generator)
        else:
            _, self.generator_losses = self.distributed(GeneratorEnergy(self.generator, self.discriminator))
            self.generate = self.compiled(self.generator)
        self.optimizers = self.adam(options.rate or 1e-4)
        self.k = torch.zeros((), device=device)
        self.means = torch.zeros(2, device=device)
        self.reduction = None

    def draw(self, draws: torch.Generator) -> tuple[Tensor, ...]:
        shape = (2, self.images_per_rank, self.options.latent or 64)
        return tuple(torch.rand(shape, generator=draws, device=self.device).mul_(2).sub_(1))

    def fake_loss(self, energies: Tensor) -> Tensor:
        return -self.settled_k() * energies.mean()

    def step(self, pixels: Tensor, z_d: Tensor, z_g: Tensor) -> dict[str, Tensor]:
        """Losses of this rank's share before the step, without waiting for the device."""
        x = self.images(pixels)
        if self.options.schedule == "shared":
            real, fake = self.shared_step(x, z_d)
            loss_g = fake
        else:
            real, fake, (loss_g,) = self.alternating_step(x, z_d, z_g)
        losses = {"energy/real": real.mean(), "energy/fake": fake.mean(), "loss/G": loss_g.mean()}
        self.update_average()
        self.means[0], self.means[1] = losses["energy/real"], losses["loss/G"]
        # Overlaps with the next step, which generates its images.
        self.reduction = dist.all_reduce(self.means, async_op=True)
        return losses

    def settled_k(self) -> Tensor:
        """k after the last step."""
        if self.reduction is not None:
            self.reduction.wait()
            self.reduction = None
            real, fake = self.means / dist.get_world_size()
            self.k = (self.k + self.options.lambda_k * (self.options.gamma * real - fake)).clamp(0, 1)
        return self.k

    def finish(self) -> None:
        self.settled_k()

    def controller(self) -> dict[str, Tensor]:
        return {"k": self.settled_k()}

    def shared_step(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """One z and one pass of D over its images; the gradient of the images updates G, computed before D is updated."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        k = self.settled_k()
        real = self.real_gradients(x)
        with self.arithmetic():
            (energies,) = self.energies(self.generate(z))
        fake = energies.mean()
        fake.backward(inputs=list(self.generator.parameters()), retain_graph=True)
        (-k * fake).backward(inputs=list(self.discriminator.parameters()))
        for optimizer in self.optimizers:
            optimizer.step()
        return real, energies.detach()
