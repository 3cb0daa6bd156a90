"""A step of an RBM with Bernoulli units by contrastive divergence, CD-1 or PCD-1, in PyTorch's matrix operations.
peer_ddp.py runs it. Ranks sum their gradients in one all-reduce."""

from argparse import Namespace

import torch
import torch.distributed as dist
from peer_base import Peer
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHT_COST, MOMENTUM = 2e-4, 0.5


class Rbm(nn.Module):
    """`weight`, `visible_bias` and `hidden_bias`, whose gradients are views of one tensor, `gradients`."""

    def __init__(self, visible: int, hidden: int, device: torch.device) -> None:
        super().__init__()
        self.gradients = torch.zeros(hidden * visible + visible + hidden, device=device)
        shapes = {"weight": (hidden, visible), "visible_bias": (visible,), "hidden_bias": (hidden,)}
        parts = self.gradients.split([torch.Size(shape).numel() for shape in shapes.values()])
        for (name, shape), part in zip(shapes.items(), parts):
            parameter = nn.Parameter(torch.zeros(shape, device=device))
            parameter.grad = part.view(shape)
            self.register_parameter(name, parameter)
        nn.init.normal_(self.weight, std=0.01)


class RbmPeer(Peer):
    DRAWS = ("hidden", "visible")

    def __init__(self, options: Namespace, device: torch.device) -> None:
        self.is_persistent = options.objective == "rbm-pcd"
        self.rbm = Rbm(options.resolution**2, options.hidden, device)
        super().__init__(options, device, {"layers.0": self.rbm})
        groups = [{"params": [self.rbm.weight], "weight_decay": WEIGHT_COST},
                  {"params": [self.rbm.visible_bias, self.rbm.hidden_bias]}]
        self.optimizer = torch.optim.SGD(groups, lr=options.rate or 0.02, momentum=MOMENTUM, fused=True)
        self.chains = torch.zeros((self.images_per_rank, options.hidden), device=device)

    def draw(self, draws: torch.Generator) -> tuple[Tensor, ...]:
        units = (self.options.hidden, self.options.resolution**2 if self.is_persistent else 0)
        return tuple(torch.rand((self.images_per_rank, n), generator=draws, device=self.device) for n in units)

    def free_energy(self, v: Tensor, hidden_input: Tensor) -> Tensor:
        return -torch.mv(v, self.rbm.visible_bias) - F.softplus(hidden_input).sum(1)

    def hidden_input(self, v: Tensor) -> Tensor:
        return F.linear(v, self.rbm.weight, self.rbm.hidden_bias)

    @torch.no_grad()
    def step(self, pixels: Tensor, hidden: Tensor, visible: Tensor) -> dict[str, Tensor]:
        """Free energies of this rank's images and of its chains before the step. `hidden` and `visible` are samples of U(0, 1)
        that decide the states."""
        v = pixels.to(self.device).flatten(1).float().mul_(1 / 255)
        data_input = self.hidden_input(v)
        driven = torch.sigmoid(data_input)
        h = self.chains if self.is_persistent else hidden.lt(driven).float()
        end = torch.addmm(self.rbm.visible_bias, h, self.rbm.weight).sigmoid_()
        if self.is_persistent:
            end = visible.lt(end).float()
        end_input = self.hidden_input(end)
        reached = torch.sigmoid(end_input)
        losses = {"energy/real": self.free_energy(v, data_input).mean(), "energy/fake": self.free_energy(end, end_input).mean()}
        self.put_gradients((v, driven), (end, reached))
        if self.is_persistent:
            self.chains = hidden.lt(reached).float()
        self.optimizer.step()
        return losses

    def put_gradients(self, data: tuple[Tensor, Tensor], chain: tuple[Tensor, Tensor]) -> None:
        """The gradients of the mean energy of `data` minus that of `chain`, each of visible and of hidden units."""
        share = 1 / self.options.batch
        (v, driven), (end, reached) = data, chain
        self.rbm.weight.grad.addmm_(reached.t(), end, beta=0, alpha=share).addmm_(driven.t(), v, alpha=-share)
        torch.sub(end.sum(0), v.sum(0), out=self.rbm.visible_bias.grad).mul_(share)
        torch.sub(reached.sum(0), driven.sum(0), out=self.rbm.hidden_bias.grad).mul_(share)
        if dist.get_world_size() > 1:
            dist.all_reduce(self.rbm.gradients)
