#!/usr/bin/env python3
"""Loads a BEGAN that Valley trained into PyTorch and draws the samples that Valley draws.

Needs torch and safetensors, and Pillow for -o. Everything about the file is in docs/checkpoint-format.md.

    # The samples of four seeds, drawn by Valley and then again here:
    valley sample RUN --seeds 0-3 -o valley.png --save-latents latents.safetensors
    python examples/load_in_pytorch.py RUN --seeds 0-3 --latents latents.safetensors -o pytorch.png

Exits with 1 when latents or pixels differ from Valley's.
"""

import argparse
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

BASE = 8  # side of the smallest feature maps
SAMPLE_STREAM = 5  # what Valley draws the latents of samples from


class Decoder(nn.Module):
    """The generator, and the second half of the discriminator: [B, inputs] -> [B, C, S, S]."""

    def __init__(self, options: dict, inputs: int) -> None:
        super().__init__()
        n = options["width"]
        self.skip = options["skip_connections"]
        self.linear = nn.Linear(inputs, BASE * BASE * n)
        self.levels = nn.ModuleList()
        for level in range(level_count(options)):
            wide = 2 * n if self.skip and level > 0 else n
            self.levels.append(
                nn.ModuleDict({"conv0": conv(wide, n), "conv1": conv(n, n)})
            )
        self.output = conv(n, options["channels"])

    def forward(self, h: Tensor) -> Tensor:
        h0 = self.linear(h).unflatten(1, (-1, BASE, BASE))  # [B, n, 8, 8]
        x = h0
        for level, convs in enumerate(self.levels):
            if level > 0:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                if self.skip:
                    h0_upsampled = F.interpolate(h0, scale_factor=2**level, mode="nearest")
                    x = torch.cat([x, h0_upsampled], dim=1)
            x = F.elu(convs["conv0"](x))
            x = F.elu(convs["conv1"](x))
        return self.output(x)


class Encoder(nn.Module):
    """The first half of the discriminator: [B, C, S, S] -> [B, hidden]."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        n, count = options["width"], level_count(options)
        extra = options["downsample"] == "extra"
        self.input = conv(options["channels"], n)
        self.levels = nn.ModuleList()
        for level in range(count):
            halves = level + 1 < count
            width = n * (level + 1)
            convs = {
                "conv0": conv(n * max(level, 1), width),
                "conv1": conv(width, width, stride=2 if halves and not extra else 1),
            }
            if halves and extra:
                convs["down"] = conv(width, width, stride=2)
            self.levels.append(nn.ModuleDict(convs))
        self.linear = nn.Linear(BASE * BASE * n * count, options["hidden"])

    def forward(self, x: Tensor) -> Tensor:
        x = F.elu(self.input(x))
        for convs in self.levels:
            for layer in convs.values():  # conv0, conv1 and, where there is one, down
                x = F.elu(layer(x))
        return self.linear(x.flatten(1))


class Discriminator(nn.Module):
    """An autoencoder of images. The energy of x is (x - self(x)).abs().mean(dim=(1, 2, 3))."""

    def __init__(self, options: dict) -> None:
        super().__init__()
        self.encoder = Encoder(options)
        self.decoder = Decoder(options, options["hidden"])

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


def level_count(options: dict) -> int:
    return options["resolution"].bit_length() - 3  # log2(resolution) - 2


def find_model(named: pathlib.Path) -> pathlib.Path:
    """The model file of a run directory (its newest checkpoint), of a checkpoint, or the file."""
    if named.is_file():
        return named
    committed = sorted(
        (path.parent for path in named.glob("checkpoints/step-*/COMMIT")),
        key=lambda folder: int(folder.name.removeprefix("step-")),
    )
    if committed:
        return committed[-1] / "model.safetensors"
    if (named / "COMMIT").is_file():
        return named / "model.safetensors"
    sys.exit(f"{named} is no model.safetensors, no checkpoint and no run with a checkpoint")


def read_options(file: pathlib.Path) -> dict:
    """The model.* keys that the file's metadata carries, without the prefix."""
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata() or {}
    if metadata.get("format") != "valley-model" or metadata.get("model.name") != "began":
        sys.exit(f"{file} holds no BEGAN of Valley's; its metadata are {metadata}")
    options = {
        key: int(metadata[f"model.{key}"])
        for key in ("resolution", "channels", "width", "latent", "hidden")
    }
    options["skip_connections"] = metadata["model.skip_connections"] == "true"
    options["downsample"] = metadata["model.downsample"]
    return options


def load(named: pathlib.Path, raw: bool = False) -> tuple[Decoder, Discriminator, dict]:
    """Generator (its moving average where the file has one, unless `raw`) and discriminator."""
    file = find_model(named)
    options = read_options(file)
    tensors = load_file(file)

    def part(prefix: str) -> dict:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    generator = Decoder(options, options["latent"])
    discriminator = Discriminator(options)
    average = {} if raw else part("generator_ema.")
    generator.load_state_dict(average or part("generator."))  # strict: every name and shape
    discriminator.load_state_dict(part("discriminator."))
    return generator.eval(), discriminator.eval(), options


def philox(seed: int, stream: int, position: int, block: int) -> list[int]:
    """Four 32-bit words of Philox4x32-10: key `seed`, counter (position, stream, block)."""
    mask = 0xFFFFFFFF
    key0, key1 = seed & mask, seed >> 32 & mask
    c0, c1, c2, c3 = position & mask, position >> 32 & mask, stream, block
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ key0, p1 & mask, p0 >> 32 ^ c3 ^ key1, p0 & mask
        key0, key1 = key0 + 0x9E3779B9 & mask, key1 + 0xBB67AE85 & mask
    return [c0, c1, c2, c3]


def uniform(seed: int, stream: int, positions: list[int], count: int) -> Tensor:
    """[len(positions), count] in [-1, 1): multiples of 2^-23, exact in float."""
    rows = []
    for position in positions:
        blocks = (philox(seed, stream, position, i) for i in range((count + 3) // 4))
        words = [word for block in blocks for word in block]
        rows.append([(word >> 8) * 2.0**-23 - 1.0 for word in words[:count]])
    return torch.tensor(rows, dtype=torch.float32)


def latents_of_seeds(seeds: list[int], latent: int) -> Tensor:
    """What `valley sample --seeds` draws: the position is the seed, the key is 0."""
    return uniform(0, SAMPLE_STREAM, seeds, latent)


def to_pixels(images: Tensor) -> Tensor:
    """[B, C, H, W] in about [-1, 1] -> uint8 [B, H, W, C]."""
    levels = torch.round((images + 1.0) * 127.5).clamp(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def parse_seeds(text: str) -> list[int]:
    """"0-3,9" is 0, 1, 2, 3, 9."""
    seeds = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def write_png(path: str, pixels: Tensor) -> None:
    """Side by side in rows, as square as the number allows."""
    from PIL import Image

    n, height, width, channels = pixels.shape
    columns = next(c for c in range(1, n + 1) if c * c >= n)
    sheet = torch.full((-(-n // columns) * height, columns * width, channels), 255).to(torch.uint8)
    for i, image in enumerate(pixels):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = image
    Image.fromarray(sheet.squeeze(2).numpy() if channels == 1 else sheet.numpy()).save(path)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="run directory, checkpoint or model.safetensors")
    parser.add_argument("--seeds", type=parse_seeds, help="0-3,9: draw the latents of these seeds")
    parser.add_argument("--latents", help="what valley sample --save-latents wrote, to compare with")
    parser.add_argument("--raw", action="store_true", help="the weights instead of their moving average")
    parser.add_argument("-o", "--out", help="PNG to write")
    arguments = parser.parse_args(words)
    if arguments.seeds is None and arguments.latents is None:
        parser.error("give --seeds, --latents or both")

    generator, _, options = load(arguments.model, arguments.raw)
    saved = load_file(arguments.latents) if arguments.latents else {}
    if arguments.seeds is None:
        latents = saved["latents"]
    else:
        latents = latents_of_seeds(arguments.seeds, options["latent"])
    with torch.inference_mode():
        pixels = to_pixels(generator(latents))
    if arguments.out:
        write_png(arguments.out, pixels)
        print(f"{arguments.out}: {len(pixels)} samples")
    if not saved:
        return 0

    if not torch.equal(latents, saved["latents"]):
        print("the latents are not those of the file: other seeds, or an --interpolate?")
        return 1
    difference = (pixels.int() - saved["pixels"].int()).abs()
    share = (difference > 0).float().mean().item()
    print(f"largest difference of a pixel: {difference.max().item()} of 255, in {share:.4%} of the values")
    # Sums are rounded in another order here than there, which can move a value across a half.
    return 0 if difference.max() <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
