"""A step of BEGAN in PyTorch and DistributedDataParallel, to be as fast as such a program can be while it computes what
Valley's step does: the same networks, energies, controller, optimizer and averaged generator. peer_ddp.py runs it."""

import contextlib
import dataclasses
import pathlib
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "examples"))
from networks_in_pytorch import make_networks  # noqa: E402


@dataclasses.dataclass
class Settings:
    """What changes the speed of the peer, and no result beyond rounding; then what Valley's config says."""

    precision: str = "fp32"  # or "tf32" (GPUs), or "bf16": autocast
    compile: str = "none"  # or a mode of torch.compile
    channels_last: bool = True
    passes: str = "split"  # D's passes of real and of generated images: "together", "concat" (one of both) or "split"
    frozen: bool = True  # whether D's weights get no gradients from G's loss
    schedule: str = "alternating"
    gamma: float = 0.5
    lambda_k: float = 0.001
    rate: float = 1e-4
    ema_half_life: float = 10000.0  # images; 0: no averaged generator


class Energy(nn.Module):
    """The mean over images and pixels of abs(x - D(x)), for images that D's parameters are to learn from."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, x: Tensor, fakes: Tensor | None = None) -> tuple[Tensor, ...]:
        if fakes is None:
            return (energy(self.discriminator, x).mean(),)
        both = energy(self.discriminator, torch.cat([x, fakes]))
        return both[: len(x)].mean(), both[len(x):].mean()


class GeneratorEnergy(nn.Module):
    """The energy of generated images; D is not among this module's own parameters."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.judge = [discriminator]

    def forward(self, z: Tensor) -> Tensor:
        return energy(self.judge[0], self.generator(z)).mean()


def energy(discriminator: nn.Module, x: Tensor) -> Tensor:
    return (x.float() - discriminator(x).float()).abs().mean(dim=(1, 2, 3))


class BeganPeer:
    """`options`: the model.* keys, with names as in networks_in_pytorch.py. Collective over the default process group."""

    def __init__(self, options: dict, settings: Settings, device: torch.device, batch: int) -> None:
        self.settings, self.device, self.batch = settings, device, batch
        self.networks = make_networks(options)
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        for network in self.networks.values():
            network.to(device=device, memory_format=layout)
        self.generator, self.discriminator = self.networks["generator"], self.networks["discriminator"]
        self.reducer, self.discriminator_energy = self.distributed(Energy(self.discriminator))
        if settings.schedule == "shared":
            _, self.generate = self.distributed(self.generator)
        else:
            _, self.generator_energy = self.distributed(GeneratorEnergy(self.generator, self.discriminator))
            self.generate = self.compiled(self.generator)
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=settings.rate, betas=(0.5, 0.999), eps=1e-8, fused=True)
                           for n in (self.discriminator, self.generator)]
        self.average = [p.detach().clone() for p in self.generator.parameters()]
        self.k = torch.zeros((), device=device)
        self.means = torch.zeros(2, device=device)
        self.reduction = None

    def compiled(self, module: nn.Module) -> nn.Module:
        mode = self.settings.compile
        return module if mode == "none" else torch.compile(module, mode=mode)

    def distributed(self, module: nn.Module) -> tuple[DistributedDataParallel, nn.Module]:
        """The module that reduces, for its no_sync, and the one to call."""
        ids = [self.device.index] if self.device.type == "cuda" else None
        ddp = DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False, gradient_as_bucket_view=True)
        return ddp, self.compiled(ddp)

    def arithmetic(self) -> contextlib.AbstractContextManager:
        if self.settings.precision != "bf16":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def images(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, C] as float [B, C, H, W] in [-1, 1]: in memory as the pixels are, or contiguous."""
        x = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().mul_(1 / 127.5).sub_(1)
        return x if self.settings.channels_last else x.contiguous()

    def step(self, pixels: Tensor, z_d: Tensor, z_g: Tensor) -> dict[str, Tensor]:
        """Losses of this rank's share before the step; nothing waits for the device."""
        if self.settings.schedule == "shared":
            losses = self.shared_step(self.images(pixels), z_d)
        else:
            losses = self.alternating_step(self.images(pixels), z_d, z_g)
        if self.settings.ema_half_life > 0:
            decay = 2 ** (-self.batch / self.settings.ema_half_life)
            torch._foreach_lerp_(self.average, [p.detach() for p in self.generator.parameters()], 1 - decay)
        self.means[0], self.means[1] = losses["energy/real"], losses["loss/G"]
        # Over while the next step generates its images.
        self.reduction = dist.all_reduce(self.means, async_op=True)
        return losses

    def settled_k(self) -> Tensor:
        """k after the last step."""
        if self.reduction is not None:
            self.reduction.wait()
            self.reduction = None
            real, fake = self.means / dist.get_world_size()
            self.k = (self.k + self.settings.lambda_k * (self.settings.gamma * real - fake)).clamp(0, 1)
        return self.k

    def alternating_step(self, x: Tensor, z_d: Tensor, z_g: Tensor) -> dict[str, Tensor]:
        with torch.no_grad(), self.arithmetic():
            fakes = self.generate(z_d).float()
        self.optimizers[0].zero_grad(set_to_none=True)
        real, fake = self.discriminator_gradients(x, fakes, self.settled_k())
        self.optimizers[0].step()
        self.optimizers[1].zero_grad(set_to_none=True)
        self.discriminator.requires_grad_(not self.settings.frozen)
        with self.arithmetic():
            loss_g = self.generator_energy(z_g)
        loss_g.backward()
        self.discriminator.requires_grad_(True)
        self.optimizers[1].step()
        return {"energy/real": real.detach(), "energy/fake": fake.detach(), "loss/G": loss_g.detach()}

    def discriminator_gradients(self, x: Tensor, fakes: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        if self.settings.passes == "split":
            real = self.real_gradients(x)
            with self.arithmetic():
                (fake,) = self.discriminator_energy(fakes)
            (-k * fake).backward()
            return real, fake
        with self.arithmetic():
            if self.settings.passes == "concat":
                real, fake = self.discriminator_energy(x, fakes)
            else:
                (real,), (fake,) = self.discriminator_energy(x), self.discriminator_energy(fakes)
        (real - k * fake).backward()
        return real, fake

    def real_gradients(self, x: Tensor) -> Tensor:
        """Kept by this rank until those of the generated images are added and reduced with them."""
        with self.reducer.no_sync():
            with self.arithmetic():
                (real,) = self.discriminator_energy(x)
            real.backward()
        return real

    def shared_step(self, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        """One z and one pass of D over its images; what comes back to them is used for G before D's weights learn."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        k = self.settled_k()
        real = self.real_gradients(x)
        with self.arithmetic():
            (fake,) = self.discriminator_energy(self.generate(z))
        fake.backward(inputs=list(self.generator.parameters()), retain_graph=True)
        (-k * fake).backward(inputs=list(self.discriminator.parameters()))
        for optimizer in self.optimizers:
            optimizer.step()
        return {"energy/real": real.detach(), "energy/fake": fake.detach(), "loss/G": fake.detach()}
