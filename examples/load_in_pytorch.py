#!/usr/bin/env python3
"""Loads a model that Valley trained into PyTorch and draws the samples that Valley draws.

Knows BEGAN, EBGAN, MAGAN and the EBM, whose networks stand in networks_in_pytorch.py beside this file. An EBM has no
generator to draw from seeds with: load() gives its energy. Needs torch and safetensors, and Pillow for -o. Everything
about the file is in docs/checkpoint-format.md, about the networks in docs/models.md.

    # The samples of four seeds, drawn by Valley and then again here:
    valley sample RUN --seeds 0-3 -o valley.png --save-latents latents.safetensors
    python examples/load_in_pytorch.py RUN --seeds 0-3 --latents latents.safetensors -o pytorch.png

Exits with 1 when latents or pixels differ from Valley's; otherwise as Valley does: 2 for a wrong command line, 65 for a
damaged or foreign file, 66 for one that is not there, 73 for a picture that cannot be written.
"""

import argparse
import math
import pathlib
import sys

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

import networks_in_pytorch

SAMPLE_STREAM = 5  # what Valley draws the latents of samples from
MOST_SEEDS = 65536
LARGEST_SEED = 2**64 - 1
DATA, MISSING, CANNOT_WRITE = 65, 66, 73  # exit codes
# The keys of the metadata that are no numbers, with what they stand for where a file has none.
TEXTS = {"downsample": "strided", "latent_distribution": "uniform", "output": "linear", "vanishing_residuals": "0"}
FLAGS = ("skip_connections", "batch_norm", "spectral_norm")


class Refusal(Exception):
    """What is wrong with the input, in a line, and the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


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
    raise Refusal(MISSING, f"{named} is no model.safetensors, no checkpoint and no run with a checkpoint")


def read_tensors(file: pathlib.Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise refusal_of(file, error) from error


def refusal_of(file: pathlib.Path, error: Exception) -> Refusal:
    if isinstance(error, OSError) and not file.is_file():
        return Refusal(MISSING, f"{file} cannot be read: {error}")
    return Refusal(DATA, f"{file} is no sound safetensors file: {error}")


def read_options(file: pathlib.Path) -> dict:
    """The model.* keys that the file's metadata carries, without the prefix."""
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise refusal_of(file, error) from error
    if metadata.get("format") != "valley-model" or metadata.get("model.name") not in networks_in_pytorch.RESOLUTIONS:
        raise Refusal(DATA, f"{file} holds no model of Valley's that this example knows; its metadata are {metadata}")
    if metadata.get("format_version") != "1":
        raise Refusal(DATA, f"{file} has the format_version {metadata.get('format_version')}; this example reads 1")
    options = {"name": metadata["model.name"]}
    for key in ("resolution", "channels", "width", "latent", "hidden"):
        text = metadata.get(f"model.{key}", "nothing")
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= 65536):
            raise Refusal(DATA, f"{file}: its model.{key} is {text}, not a number from 1 to 65536")
        options[key] = int(text)
    known = networks_in_pytorch.RESOLUTIONS[options["name"]]
    if options["resolution"] not in known:
        raise Refusal(DATA, f"{file}: its model.resolution is {options['resolution']}, none of {known}")
    # Files of early versions lack keys that came later.
    for key, default in TEXTS.items():
        options[key] = metadata.get(f"model.{key}", default)
    for key in FLAGS:
        options[key] = metadata.get(f"model.{key}", "false") == "true"
    if options["output"] not in networks_in_pytorch.OUTPUTS:
        raise Refusal(DATA, f"{file}: its model.output is {options['output']}")
    return options


def fill(network: nn.Module, tensors: dict[str, Tensor], file: pathlib.Path) -> nn.Module:
    """The network with the file's tensors in it: every name and shape must be there, and no other."""
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[1].strip()
        raise Refusal(DATA, f"{file} does not hold the networks that its metadata describe: {first}") from error
    return network.eval()


def load(named: pathlib.Path, raw: bool = False) -> tuple[dict[str, nn.Module], dict]:
    """The networks by name (moving averages where the file has them, unless `raw`) and the model's options."""
    file = find_model(named)
    options = read_options(file)
    tensors = read_tensors(file)

    def part(prefix: str) -> dict:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    # Shapes alone: metadata may describe networks of any size, and the file's tensors take their place.
    with torch.device("meta"):
        networks = networks_in_pytorch.make_networks(options)
    for name, network in networks.items():
        average = {} if raw else part(f"{name}_ema.")
        fill(network, average or part(f"{name}."), file)
    return networks, options


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


def normal(seed: int, stream: int, positions: list[int], count: int) -> Tensor:
    """[len(positions), count] of mean 0 and variance 1, by Box and Muller from pairs of words."""
    rows = []
    for position in positions:
        row: list[float] = []
        for i in range((count + 3) // 4):
            words = philox(seed, stream, position, i)
            for a, b in (words[:2], words[2:]):
                radius = math.sqrt(-2.0 * math.log(((a >> 8) + 1) * 2.0**-24))
                angle = 2.0 * math.pi * (b >> 8) * 2.0**-24
                row += [radius * math.cos(angle), radius * math.sin(angle)]
        rows.append(row[:count])
    return torch.tensor(rows, dtype=torch.float32)


def latents_of_seeds(seeds: list[int], options: dict) -> Tensor:
    """What `valley sample --seeds` draws: the position is the seed, the key is 0."""
    draw = normal if options["latent_distribution"] == "normal" else uniform
    return draw(0, SAMPLE_STREAM, seeds, options["latent"])


def to_pixels(images: Tensor, options: dict) -> Tensor:
    """[B, C, H, W] in about [-1, 1] (with the output sigmoid in [0, 1]) -> uint8 [B, H, W, C]."""
    symmetric = images * 2.0 - 1.0 if options["output"] == "sigmoid" else images
    levels = torch.round((symmetric + 1.0) * 127.5).clamp(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def parse_seeds(text: str) -> list[int]:
    """"0-3,9" is 0, 1, 2, 3, 9."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [first, last] if dash else [first, first]
        if not all(end.isascii() and end.isdigit() and int(end) <= LARGEST_SEED for end in ends):
            raise argparse.ArgumentTypeError("numbers and ranges with commas between them, such as 0-63 or 3,17,5")
        begin, end = map(int, ends)
        if end < begin or len(seeds) + end - begin >= MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"a range goes up, and there can be at most {MOST_SEEDS} seeds")
        seeds += range(begin, end + 1)
    return seeds


def read_latents(path: str, latent: int) -> dict[str, Tensor]:
    """What --save-latents wrote: latents [n, latent] and pixels [n, H, W, C]."""
    file = pathlib.Path(path)
    if not file.is_file():
        raise Refusal(MISSING, f"{file} does not exist: name what valley sample --save-latents wrote")
    saved = read_tensors(file)
    for name, dimensions in (("latents", 2), ("pixels", 4)):
        if name not in saved or saved[name].dim() != dimensions:
            raise Refusal(DATA, f"{file} holds no {name}: name what valley sample --save-latents wrote")
    if saved["latents"].shape[1] != latent:
        raise Refusal(DATA, f"{file} has latents of {saved['latents'].shape[1]} numbers, but the model takes {latent}")
    return saved


def write_png(path: str, pixels: Tensor) -> None:
    """Side by side in rows, as square as the number allows."""
    try:
        from PIL import Image
    except ImportError as error:
        raise Refusal(MISSING, "-o needs Pillow, which is not installed: pip install pillow") from error

    n, height, width, channels = pixels.shape
    columns = next(c for c in range(1, n + 1) if c * c >= n)
    sheet = torch.full((-(-n // columns) * height, columns * width, channels), 255).to(torch.uint8)
    for i, image in enumerate(pixels):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = image
    try:
        Image.fromarray(sheet.squeeze(2).numpy() if channels == 1 else sheet.numpy()).save(path)
    except (OSError, ValueError) as error:
        raise Refusal(CANNOT_WRITE, f"{path} cannot be written: {error}") from error


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
    try:
        return draw(arguments)
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return refusal.code


def draw(arguments: argparse.Namespace) -> int:
    networks, options = load(arguments.model, arguments.raw)
    if "generator" not in networks:
        raise Refusal(DATA, f"{arguments.model} has no generator: its samples come from chains, not from seeds")
    saved = read_latents(arguments.latents, options["latent"]) if arguments.latents else {}
    if arguments.seeds is None:
        latents = saved["latents"]
    else:
        latents = latents_of_seeds(arguments.seeds, options)
    with torch.inference_mode():
        pixels = to_pixels(networks["generator"](latents), options)
    if arguments.out:
        write_png(arguments.out, pixels)
        print(f"{arguments.out}: {len(pixels)} samples")
    if not saved:
        return 0

    # Uniform numbers are exact; logarithms and cosines differ in the last bits.
    if not torch.allclose(latents, saved["latents"], rtol=0, atol=1e-5):
        print("the latents are not those of the file: other seeds, or an --interpolate?")
        return 1
    if pixels.shape != saved["pixels"].shape:
        raise Refusal(DATA, f"{arguments.latents} has pixels of another shape than the model draws")
    difference = (pixels.int() - saved["pixels"].int()).abs()
    share = (difference > 0).float().mean().item()
    print(f"largest difference of a pixel: {difference.max().item()} of 255, in {share:.4%} of the values")
    # Sums are rounded in another order here than there, which can move a value across a half.
    return 0 if difference.max() <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
