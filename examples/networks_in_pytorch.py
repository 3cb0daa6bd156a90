"""The networks of Valley's models in PyTorch, with the tensor names of model.safetensors. Used by load_in_pytorch.py.

Conditional networks (options["labels"] > 0) take the classes of the batch as a second argument: int64 [B], or float [B, labels] with
the weights of mixtures.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESOLUTIONS = {
    "began": (16, 28, 32, 64, 128, 256, 512),
    "ebgan": (28, 32, 64, 128, 256),
    "magan": (28, 32, 64, 128, 256),
    "ebm": (28, 32, 64, 128, 256),
}
OUTPUTS = {"linear": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
LEAK = 0.2


def make_networks(options: dict) -> dict[str, nn.Module]:
    """By name. `options`: the model.* keys of a file's metadata."""
    if options["name"] == "ebm":
        return {"energy": Energy(options)}
    if options["name"] == "began":
        return {"generator": BeganDecoder(options, options["latent"]), "discriminator": BeganDiscriminator(options)}
    return {"generator": Generator(options), "discriminator": make_autoencoder(options)}


def pyramid(resolution: int, base: int) -> tuple[int, int]:
    """Side of the smallest maps, and the number of doublings up to the image's side."""
    base = 7 if resolution == 28 else base
    return base, (resolution // base).bit_length() - 1


# ---- Classes


class ClassMaps(nn.Module):
    """A shift of the first maps by class: an embedding and a linear layer. [B, maps, side, side]"""

    def __init__(self, labels: int, size: int, maps: int, side: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(labels, size))
        self.projection = nn.Parameter(torch.zeros(size, maps * side * side))
        self.shape = (maps, side, side)

    def forward(self, y: Tensor) -> Tensor:
        return (class_weights(y, self.embedding) @ self.projection).unflatten(1, self.shape)


def class_weights(y: Tensor, table: Tensor) -> Tensor:
    """Rows of `table` [labels, size] for classes int64 [B], or their means with the weights float [B, labels]."""
    return y @ table if y.is_floating_point() else table[y]


def channels_of(y: Tensor, table: Tensor) -> Tensor:
    return class_weights(y, table)[:, :, None, None]


# ---- BEGAN


class EluConv(nn.Conv2d):
    """3x3, then ELU. With a carry, an output of the input's shape is mixed with the input."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride=stride, padding=1)

    def forward(self, x: Tensor, carry: Tensor | None = None) -> Tensor:
        y = F.elu(super().forward(x))
        if carry is None or y.shape != x.shape:
            return y
        return carry * x + (1 - carry) * y


class BeganDecoder(nn.Module):
    """The generator, and the second half of the discriminator: [B, inputs] -> [B, C, S, S]."""

    def __init__(self, options: dict, inputs: int, keeps_carry: bool = True) -> None:
        super().__init__()
        n = options["width"]
        self.base, doublings = pyramid(options["resolution"], 8)
        self.skip = options["skip_connections"]
        add_carry(self, options, keeps_carry)
        self.linear = nn.Linear(inputs, self.base**2 * n)
        self.labels = ClassMaps(options["labels"], inputs, n, self.base) if options.get("labels") else None
        self.levels = nn.ModuleList()
        for level in range(doublings + 1):
            wide = 2 * n if self.skip and level > 0 else n
            self.levels.append(nn.ModuleDict({"conv0": EluConv(wide, n), "conv1": EluConv(n, n)}))
        self.output = nn.Conv2d(n, options["channels"], 3, padding=1)
        self.activation = OUTPUTS[options["output"]]()

    def forward(self, h: Tensor, y: Tensor | None = None, carry: Tensor | None = None) -> Tensor:
        carry = self.carry if carry is None else carry
        h0 = self.linear(h).unflatten(1, (-1, self.base, self.base))
        if self.labels is not None:
            h0 = h0 + self.labels(y)
        x = h0
        for level, convs in enumerate(self.levels):
            if level > 0:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                if self.skip:
                    x = torch.cat([x, F.interpolate(h0, scale_factor=2**level, mode="nearest")], dim=1)
            x = convs["conv1"](convs["conv0"](x, carry), carry)
        return self.activation(self.output(x))


class BeganEncoder(nn.Module):
    """The first half of the discriminator: [B, C, S, S] -> [B, hidden]."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        n = options["width"]
        base, doublings = pyramid(options["resolution"], 8)
        extra = options["downsample"] == "extra"
        self.input = nn.Conv2d(options["channels"], n, 3, padding=1)
        self.labels = nn.Parameter(torch.zeros(options["labels"], n)) if options.get("labels") else None
        self.levels = nn.ModuleList()
        for level in range(doublings + 1):
            halves = level < doublings
            width = n * (level + 1)
            convs = {
                "conv0": EluConv(n * max(level, 1), width),
                "conv1": EluConv(width, width, stride=2 if halves and not extra else 1),
            }
            if halves and extra:
                convs["down"] = EluConv(width, width, stride=2)
            self.levels.append(nn.ModuleDict(convs))
        self.linear = nn.Linear(base**2 * n * (doublings + 1), options["hidden"])

    def forward(self, x: Tensor, y: Tensor | None = None, carry: Tensor | None = None) -> Tensor:
        x = F.elu(self.input(x))
        if self.labels is not None:
            x = x + channels_of(y, self.labels)
        for convs in self.levels:
            for layer in convs.values():  # conv0, conv1 and, if present, down
                x = layer(x, carry)
        return self.linear(x.flatten(1))


class BeganDiscriminator(nn.Module):
    """An autoencoder of images. BEGAN's energy of x is (x - self(x)).abs().mean(dim=(1, 2, 3))."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        add_carry(self, options)
        self.encoder = BeganEncoder(options)
        self.decoder = BeganDecoder(options, options["hidden"], keeps_carry=False)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(self.encoder(x, y, self.carry), y, self.carry)


def add_carry(module: nn.Module, options: dict, keeps: bool = True) -> None:
    """The buffer of vanishing residuals, one per network, or None."""
    wanted = keeps and options["vanishing_residuals"] != "0"
    module.register_buffer("carry", torch.ones(()) if wanted else None)


# ---- EBGAN and MAGAN


class ConvBlock(nn.Module):
    """A conv, optional batch norm, and an activation."""

    def __init__(self, conv: nn.Module, activation: nn.Module, norm: bool = False) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels) if norm else None
        if norm:
            self.conv.bias = None
        self.activation = activation

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        y = self.conv(x)
        if shift is not None:
            y = y + shift
        return self.activation(y if self.norm is None else self.norm(y))


def run_blocks(blocks: nn.Sequential, x: Tensor, shift: Tensor | None) -> Tensor:
    for i, block in enumerate(blocks):
        x = block(x, shift if i == 0 else None)
    return x


def halving(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)


def doubling(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


class Generator(nn.Module):
    """[B, latent] -> [B, C, S, S]. EBGAN's ends with a 3x3 conv at full size, MAGAN's with a transposed one."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        n, norm = options["width"], options["batch_norm"]
        output = OUTPUTS[options["output"]]()
        base, doublings = pyramid(options["resolution"], 4)
        maps = [n << level for level in reversed(range(doublings))]  # 8n, 4n, 2n, n
        layers = [ConvBlock(nn.ConvTranspose2d(options["latent"], maps[0], base), nn.ReLU(), norm)]
        layers += [ConvBlock(doubling(a, b), nn.ReLU(), norm) for a, b in zip(maps, maps[1:])]
        if options["name"] == "ebgan":
            layers.append(ConvBlock(doubling(n, n), nn.ReLU(), norm))
            layers.append(ConvBlock(nn.Conv2d(n, options["channels"], 3, padding=1), output))
        else:
            layers.append(ConvBlock(doubling(n, options["channels"]), output))
        self.layers = nn.Sequential(*layers)
        self.labels = ClassMaps(options["labels"], options["latent"], maps[0], base) if options.get("labels") else None

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return run_blocks(self.layers, z[:, :, None, None], None if self.labels is None else self.labels(y))


class LabeledBlocks(nn.Sequential):
    """A sequence of conv blocks. The class shifts the channels of the first conv."""

    def __init__(self, labels: int, *blocks: ConvBlock) -> None:
        super().__init__(*blocks)
        self.labels = nn.Parameter(torch.zeros(labels, blocks[0].conv.out_channels)) if labels else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return run_blocks(self, x, None if self.labels is None else channels_of(y, self.labels))


class Autoencoder(nn.Module):
    """[B, C, S, S] -> the same shape; the code is the encoder's maps."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        n, norm, channels = options["width"], options["batch_norm"], options["channels"]
        levels = pyramid(options["resolution"], 4)[1]
        between = nn.LeakyReLU(LEAK)
        if options["name"] == "ebgan":
            levels = min(levels, 4 if options["resolution"] >= 128 else 3)
            between = nn.ReLU()
        maps = [channels] + [n << level for level in range(levels)]
        pairs = list(zip(maps, maps[1:]))
        self.encoder = LabeledBlocks(
            options.get("labels", 0),
            *(ConvBlock(halving(a, b), nn.LeakyReLU(LEAK), norm and i > 0) for i, (a, b) in enumerate(pairs)))
        self.decoder = LabeledBlocks(
            options.get("labels", 0),
            *(ConvBlock(doubling(b, a), between, norm) for a, b in reversed(pairs[1:])),
            ConvBlock(doubling(n, channels), OUTPUTS[options["output"]]()))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(self.encoder(x, y), y)


class DenseAutoencoder(nn.Module):
    """MAGAN's of 28x28 pixels: 784-256-256-784 for gray images and a width of 64."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        self.shape = (options["channels"], 28, 28)
        numbers, units = options["channels"] * 28 * 28, 4 * options["width"]
        self.encoder = nn.ModuleList([nn.Linear(numbers, units), nn.Linear(units, units)])
        self.decoder = nn.ModuleList([nn.Linear(units, numbers)])
        for half, size in ((self.encoder, units), (self.decoder, numbers)):
            half.labels = nn.Parameter(torch.zeros(options["labels"], size)) if options.get("labels") else None
        self.activation = OUTPUTS[options["output"]]()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        def shift(half: nn.Module) -> Tensor | float:
            return 0.0 if half.labels is None else class_weights(y, half.labels)

        h = F.relu(self.encoder[0](x.flatten(1)) + shift(self.encoder))
        h = F.relu(self.encoder[1](h))
        return self.activation(self.decoder[0](h) + shift(self.decoder)).unflatten(1, self.shape)


def make_autoencoder(options: dict) -> nn.Module:
    is_dense = options["name"] == "magan" and options["resolution"] == 28
    return DenseAutoencoder(options) if is_dense else Autoencoder(options)


# ---- The EBM


class EnergyConv(nn.Conv2d):
    """3x3. With spectral norm its weight is divided by u^T W v, or only if that is above 1 (`bound`)."""

    def __init__(self, inputs: int, outputs: int, options: dict, bound: bool = False) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.bound = bound
        normed = options["spectral_norm"]
        self.register_buffer("u", torch.ones(outputs) if normed else None)
        self.register_buffer("v", torch.ones(9 * inputs) if normed else None)

    def normed_weight(self) -> Tensor:
        if self.u is None:
            return self.weight
        sigma = self.u @ self.weight.flatten(1) @ self.v
        return self.weight / (sigma.clamp(min=1) if self.bound else sigma)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normed_weight(), self.bias, padding=1)


class EnergyBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, halves: bool, options: dict) -> None:
        super().__init__()
        self.conv0 = EnergyConv(inputs, outputs, options)
        self.conv1 = EnergyConv(outputs, outputs, options, bound=True)
        self.shortcut = None if inputs == outputs else EnergyConv(inputs, outputs, options)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.conv0(x), LEAK)) + (x if self.shortcut is None else self.shortcut(x))
        return F.leaky_relu(F.avg_pool2d(y, 2) if self.halves else y, LEAK)


class Energy(nn.Module):
    """[B, C, S, S] in [0, 1] -> [B]: low where images are likely. With classes it is the marginal of E(x, y)."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        n = options["width"]
        halvings = pyramid(options["resolution"], 4)[1]
        if options["resolution"] <= 32:
            shapes = [(n << min(level, 1), half and level < halvings) for level in range(3) for half in (True, False)]
        else:
            shapes = [(n << min(level, 3), True) for level in range(halvings)]
            shapes.append((shapes[-1][0], False))
        self.input = EnergyConv(options["channels"], n, options)
        self.blocks = nn.Sequential()
        inputs = n
        for outputs, halves in shapes:
            self.blocks.append(EnergyBlock(inputs, outputs, halves, options))
            inputs = outputs
        self.labels = options.get("labels", 0)
        self.output = nn.Linear(inputs, max(1, self.labels))

    def class_energies(self, x: Tensor) -> Tensor:
        """E(x, y): [B, labels]."""
        x = self.blocks(F.leaky_relu(self.input(x), LEAK))
        return self.output(F.relu(x).sum(dim=(2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        energies = self.class_energies(x)
        return -torch.logsumexp(-energies, 1) if self.labels else energies.squeeze(1)
