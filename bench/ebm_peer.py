"""A step of an EBM trained by MCMC (Du & Mordatch 2019) in PyTorch and DistributedDataParallel: Langevin chains from a
replay buffer, then the contrastive update. peer_ddp.py runs it."""

from argparse import Namespace

import torch
from peer_base import Energies, Peer
from torch import Tensor
from torch.nn import functional as F

from networks_in_pytorch import Energy, EnergyConv  # after peer_base, which adds its folder

REPLAY_SIZE, RESTART = 10000, 0.05
STEP_SIZE, NOISE, CLAMP = 10, 0.005, 0.01
ENERGY_DECAY = 1.0


class FreshNoise:
    """Noise from N(0, 1), indexed by the step of a chain, drawn on access into reused memory."""

    def __init__(self, rows: Tensor, draws: torch.Generator) -> None:
        self.rows, self.draws = rows, draws

    def __getitem__(self, step: int) -> Tensor:
        return self.rows.normal_(generator=self.draws)


class EbmPeer(Peer):
    DRAWS = ("choice", "start", "within", "noise")

    def __init__(self, options: Namespace, device: torch.device) -> None:
        model = {"resolution": options.resolution, "channels": 3, "width": options.width, "spectral_norm": True}
        self.shape = (options.resolution, options.resolution, 3)
        super().__init__(options, device, {"energy": Energy(model)}, averaged="energy")
        self.network = self.networks["energy"]
        self.find_norms()
        self.reducer, self.energies = self.distributed(Energies(self.network, lambda network, x: network(x).float()))
        # Copy of the network for chains: weights divided by their spectral norms once per step, in the compute precision,
        # without gradients.
        self.frozen = Energy(model | {"spectral_norm": False}).requires_grad_(False)
        self.type = torch.bfloat16 if options.precision == "bf16" else torch.float32
        self.place(self.frozen.to(self.type))
        self.chain_energy = self.compiled(self.frozen)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=options.rate or 3e-4, betas=(0.0, 0.999), eps=1e-8,
                                          fused=True)
        slots = max(1, REPLAY_SIZE // options.batch) * self.images_per_rank
        self.slots = torch.zeros((slots, *self.shape), dtype=torch.uint8, device=device)
        self.taken = 0
        self.noise = torch.empty((self.images_per_rank, options.resolution**2 * 3), device=device)

    def draw(self, draws: torch.Generator) -> tuple:
        choice, start, within = (torch.rand((self.images_per_rank, n), generator=draws, device=self.device)
                                 for n in (2, self.noise.shape[1], self.noise.shape[1]))
        return choice, start, within, FreshNoise(self.noise, draws)

    def as_images(self, rows: Tensor) -> Tensor:
        """[B, H * W * C] as [B, C, H, W], in channels_last memory."""
        return rows.view(-1, *self.shape).permute(0, 3, 1, 2)

    def starts(self, choice: Tensor, uniform: Tensor) -> Tensor:
        """Images from which chains start: noise, or ends of earlier chains. choice: [B, 2] in [0, 1)."""
        filled = min(self.taken, len(self.slots))
        if filled == 0:
            return uniform.clone()
        kept = self.slots[(choice[:, 0].double() * filled).long()].permute(0, 3, 1, 2) + uniform
        return torch.where((choice[:, 1] < RESTART).view(-1, 1, 1, 1), uniform, kept.mul_(1 / 256))

    def keep(self, x: Tensor) -> None:
        """Stores ends of chains in the oldest slots."""
        first = self.taken % len(self.slots)
        pixels = self.slots[first: first + len(x)].permute(0, 3, 1, 2)
        pixels.copy_((x * 256).clamp_(max=255))  # rounds down
        self.taken += len(x)

    @torch.no_grad()
    def freeze(self) -> None:
        for source, own in zip(self.network.modules(), self.frozen.modules()):
            if isinstance(source, EnergyConv):
                own.weight.copy_(source.normed_weight())
                own.bias.copy_(source.bias)
        self.frozen.output.load_state_dict(self.network.output.state_dict())

    def chains(self, x: Tensor, noise) -> Tensor:
        self.freeze()
        x = x.requires_grad_()
        for step in range(self.options.langevin_steps):
            with torch.no_grad():
                x.add_(self.as_images(noise[step]), alpha=NOISE)
            energies = self.chain_energy(x.to(self.type))
            (gradient,) = torch.autograd.grad(energies, x, torch.ones_like(energies))
            with torch.no_grad():
                x.sub_(gradient.clamp_(-CLAMP, CLAMP), alpha=STEP_SIZE).clamp_(0, 1)
        return x.detach()

    def real_loss(self, energies: Tensor) -> Tensor:
        return (energies + ENERGY_DECAY * energies.square()).mean()

    def fake_loss(self, energies: Tensor) -> Tensor:
        return (ENERGY_DECAY * energies.square() - energies).mean()

    def step(self, pixels: Tensor, choice: Tensor, start: Tensor, within: Tensor, noise) -> dict[str, Tensor]:
        """Losses of this rank's share before the step. `noise`: indexed by the step of a chain."""
        fakes = self.chains(self.starts(choice, self.as_images(start)), noise)
        self.keep(fakes)
        x = (pixels.to(self.device).permute(0, 3, 1, 2) + self.as_images(within)).mul_(1 / 256)
        self.optimizer.zero_grad(set_to_none=True)
        real, fake = self.contrast_gradients(x, fakes)
        self.optimizer.step()
        self.iterate_power()
        self.update_average()
        return {"energy/real": real.mean(), "energy/fake": fake.mean(), "loss/energy": self.real_loss(real) + self.fake_loss(fake)}

    def find_norms(self) -> None:
        """Power iteration from random directions, with as many rounds as Valley's initialization."""
        for buffer in self.network.buffers():
            buffer.normal_()
        for _ in range(15):
            self.iterate_power()

    @torch.no_grad()
    def iterate_power(self) -> None:
        """One round of power iteration of each spectral norm."""
        for conv in self.network.modules():
            if isinstance(conv, EnergyConv):
                matrix = conv.weight.flatten(1)
                F.normalize(torch.mv(matrix.t(), conv.u), dim=0, out=conv.v)
                F.normalize(torch.mv(matrix, conv.v), dim=0, out=conv.u)
