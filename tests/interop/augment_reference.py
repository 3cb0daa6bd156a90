"""DiffAugment in plain PyTorch, as a reference for Valley's C++ one.

Written from the paper (Zhao, Liu, Lin, Zhu, Han 2020, arXiv 2006.10738) and its published settings, one image at a time, not from the
C++ sources. `draws` [B, 10] are uniform numbers: whether color, translation and cutout are used, brightness, saturation, contrast, the
shift down and to the right, the row and the column of the cutout. Images are [B, C, H, W] in [-1, 1].
"""

import math

import torch
from torch import Tensor

POLICY = ("color", "translation", "cutout")


def colored(x: Tensor, brightness: float, saturation: float, contrast: float) -> Tensor:
    """One image [C, H, W]."""
    x = x + (brightness - 0.5)
    gray = x.mean(0, keepdim=True)
    x = gray + (x - gray) * (2 * saturation)
    middle = x.mean()
    return middle + (x - middle) * (contrast + 0.5)


def translated(x: Tensor, down: float, right: float) -> Tensor:
    size = x.shape[1]
    most = int(size / 8 + 0.5)
    dy, dx = (math.floor(u * (2 * most + 1)) - most for u in (down, right))
    padded = torch.nn.functional.pad(x, (most, most, most, most))
    return padded[:, most - dy:most - dy + size, most - dx:most - dx + size]


def cut(x: Tensor, row: float, column: float) -> Tensor:
    size = x.shape[1]
    side = int(size / 2 + 0.5)
    mask = torch.ones_like(x)
    top, left = (math.floor(u * (size + 1 - side % 2)) - side // 2 for u in (row, column))
    mask[:, max(top, 0):top + side, max(left, 0):left + side] = 0
    return x * mask


def augmented(x: Tensor, draws: Tensor, strength: float = 1.0, policy: tuple[str, ...] = POLICY, bounded: bool = False) -> Tensor:
    images = []
    for image, u in zip(x, draws.tolist(), strict=True):
        if "color" in policy and u[0] < strength:
            image = colored(image, *u[3:6])
        if "color" in policy and bounded:
            image = image.clamp(-1, 1)
        if "translation" in policy and u[1] < strength:
            image = translated(image, *u[6:8])
        if "cutout" in policy and u[2] < strength:
            image = cut(image, *u[8:10])
        images.append(image)
    return torch.stack(images)
