"""Common parts of the training steps of the PyTorch peers, optimized without changing what Valley's step computes.
peer_ddp.py runs them."""

import contextlib
import pathlib
import sys
from argparse import Namespace
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "examples"))

Energy = Callable[[nn.Module, Tensor], Tensor]


class Energies(nn.Module):
    """Energies [B] of images by a trainable network; with `fakes`, one forward pass of both."""

    def __init__(self, network: nn.Module, energy: Energy) -> None:
        super().__init__()
        self.network, self.energy = network, energy

    def forward(self, x: Tensor, fakes: Tensor | None = None) -> tuple[Tensor, ...]:
        if fakes is None:
            return (self.energy(self.network, x),)
        both = self.energy(self.network, torch.cat([x, fakes]))
        return both[: len(x)], both[len(x):]


class Peer:
    """`options`: the arguments of peer_ddp.py. Collective over the default process group.

    DRAWS names the random tensors of a step, each of this rank's rows; `draw` makes those of a timed step.
    """

    DRAWS: tuple[str, ...] = ()

    def __init__(self, options: Namespace, device: torch.device, networks: dict[str, nn.Module], averaged: str = "") -> None:
        self.options, self.device, self.networks = options, device, networks
        self.images_per_rank = options.batch // options.ranks
        for network in networks.values():
            self.place(network)
            for module in network.modules():
                if hasattr(module, "inplace"):  # activations: saves a second map
                    module.inplace = True
        self.averaged = list(networks[averaged].parameters()) if averaged else []
        self.average = [p.detach().clone() for p in self.averaged]

    def place(self, network: nn.Module) -> None:
        contiguous = self.options.contiguous
        network.to(device=self.device, memory_format=torch.contiguous_format if contiguous else torch.channels_last)

    def compiled(self, module: nn.Module) -> nn.Module:
        mode = self.options.compile
        return module if mode == "none" else torch.compile(module, mode=mode)

    def distributed(self, module: nn.Module) -> tuple[nn.Module, nn.Module]:
        """The module that reduces gradients, for `unreduced`, and the one to call. One rank needs no reducer."""
        if dist.get_world_size() > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            module = DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False, gradient_as_bucket_view=True)
        return module, self.compiled(module)

    def unreduced(self) -> contextlib.AbstractContextManager:
        """Keeps this rank's gradients, to be reduced together with later ones."""
        is_reducer = isinstance(self.reducer, DistributedDataParallel)
        return self.reducer.no_sync() if is_reducer else contextlib.nullcontext()

    def arithmetic(self) -> contextlib.AbstractContextManager:
        if self.options.precision != "bf16":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def images(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, C] as float [B, C, H, W] in [-1, 1]: in the memory layout of the pixels, or contiguous."""
        x = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().mul_(1 / 127.5).sub_(1)
        return x.contiguous() if self.options.contiguous else x

    def update_average(self) -> None:
        if self.options.ema_half_life > 0:
            decay = 2 ** (-self.options.batch / self.options.ema_half_life)
            torch._foreach_lerp_(self.average, [p.detach() for p in self.averaged], 1 - decay)

    def real_loss(self, energies: Tensor) -> Tensor:
        return energies.mean()

    def fake_loss(self, energies: Tensor) -> Tensor:
        raise NotImplementedError

    def real_gradients(self, x: Tensor) -> Tensor:
        """Adds this rank's gradients of `real_loss`, not reduced."""
        with self.unreduced():
            with self.arithmetic():
                (real,) = self.energies(x)
            self.real_loss(real).backward()
        return real.detach()

    def contrast_gradients(self, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the gradients of the losses of real and of generated images; returns the energies of both."""
        if self.options.passes == "split":
            real = self.real_gradients(x)
            with self.arithmetic():
                (fake,) = self.energies(fakes)
            self.fake_loss(fake).backward()
            return real, fake.detach()
        with self.arithmetic():
            if self.options.passes == "concat":
                real, fake = self.energies(x, fakes)
            else:
                (real,), (fake,) = self.energies(x), self.energies(fakes)
        (self.real_loss(real) + self.fake_loss(fake)).backward()
        return real.detach(), fake.detach()

    def finish(self) -> None:
        """Waits for reductions that are still in progress."""

    def controller(self) -> dict[str, Tensor]:
        """State of the objective after a step, equal on all ranks."""
        return {}


class GanPeer(Peer):
    """Subclasses make `optimizers` (D's, then G's), `generate` [B, C, H, W] of z, `generator_losses` of z, whose first is
    differentiated, and `reducer` and `energies` of D's energy."""

    DRAWS = ("z_d", "z_g")

    def __init__(self, options: Namespace, device: torch.device, networks: dict[str, nn.Module]) -> None:
        super().__init__(options, device, networks, averaged="generator")
        self.generator, self.discriminator = networks["generator"], networks["discriminator"]

    def adam(self, rate: float) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(n.parameters(), lr=rate, betas=(0.5, 0.999), eps=1e-8, fused=True)
                for n in (self.discriminator, self.generator)]

    def alternating_step(self, x: Tensor, z_d: Tensor, z_g: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Energies of real and generated images in D's update, and the generator's losses."""
        with torch.no_grad(), self.arithmetic():
            fakes = self.generate(z_d).float()
        self.optimizers[0].zero_grad(set_to_none=True)
        real, fake = self.contrast_gradients(x, fakes)
        self.optimizers[0].step()
        self.optimizers[1].zero_grad(set_to_none=True)
        self.discriminator.requires_grad_(self.options.unfrozen)
        with self.arithmetic():
            losses = self.generator_losses(z_g)
        losses[0].backward()
        self.discriminator.requires_grad_(True)
        self.optimizers[1].step()
        return real, fake, tuple(loss.detach() for loss in losses)
