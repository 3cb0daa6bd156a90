#!/usr/bin/env python3
"""Loads a model of Valley in PyTorch and draws the same samples.

Supports BEGAN, EBGAN, MAGAN and the EBM, with the networks of networks_in_pytorch.py. An EBM has no generator: load()
returns its energy. Needs torch and safetensors, and Pillow for -o. The file is described in docs/model-format.md, the
networks in docs/models.md.

    # Samples of four seeds, by Valley and by this script:
    valley sample RUN --seeds 0-3 -o valley.png --save-latents latents.safetensors
    python examples/load_in_pytorch.py RUN --seeds 0-3 --latents latents.safetensors -o pytorch.png

Exit codes: 1 if latents or pixels differ from Valley's; 2 for a wrong command line, 65 for a damaged or foreign file, 66
for a missing one, 73 for an image that cannot be written, as in Valley.
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

SAMPLE_STREAM = 5  # Valley's random stream of latents
MAX_SEEDS = 65536
MAX_SEED = 2**64 - 1
DATA, MISSING, CANNOT_WRITE = 65, 66, 73  # exit codes
# Metadata keys with text values, and the value of a missing key.
TEXTS = {"downsample": "strided", "latent_distribution": "uniform", "output": "linear", "vanishing_residuals": "0"}
FLAGS = ("skip_connections", "batch_norm", "spectral_norm")


class InputError(Exception):
    """A problem with the input, in one line, and the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def find_model(named: pathlib.Path) -> pathlib.Path:
    """Returns the model file of a run directory (newest checkpoint), of a checkpoint, or the file itself."""
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
    raise InputError(MISSING, f"{named} is not a model.safetensors, a checkpoint or a run with a checkpoint")


def read_tensors(file: pathlib.Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise input_error(file, error) from error


def input_error(file: pathlib.Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and not file.is_file():
        return InputError(MISSING, f"{file} cannot be read: {error}")
    return InputError(DATA, f"{file} is not a valid safetensors file: {error}")


def read_options(file: pathlib.Path) -> dict:
    """Returns the model.* keys of the file's metadata, without the prefix."""
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise input_error(file, error) from error
    if metadata.get("format") != "valley-model" or metadata.get("model.name") not in networks_in_pytorch.RESOLUTIONS:
        raise InputError(DATA, f"{file} is not a model that this example supports; its metadata are {metadata}")
    if metadata.get("format_version") != "1":
        raise InputError(DATA, f"{file} has the format_version {metadata.get('format_version')}; this example reads 1")
    options = {"name": metadata["model.name"]}
    for key in ("resolution", "channels", "width", "latent", "hidden"):
        text = metadata.get(f"model.{key}", "nothing")
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= 65536):
            raise InputError(DATA, f"{file}: its model.{key} is {text}, not a number from 1 to 65536")
        options[key] = int(text)
    known = networks_in_pytorch.RESOLUTIONS[options["name"]]
    if options["resolution"] not in known:
        raise InputError(DATA, f"{file}: its model.resolution is {options['resolution']}, not one of {known}")
    options["labels"] = int(metadata.get("model.labels", "0"))
    # Files of earlier versions lack newer keys.
    for key, default in TEXTS.items():
        options[key] = metadata.get(f"model.{key}", default)
    for key in FLAGS:
        options[key] = metadata.get(f"model.{key}", "false") == "true"
    if options["output"] not in networks_in_pytorch.OUTPUTS:
        raise InputError(DATA, f"{file}: its model.output is {options['output']}")
    return options


def fill(network: nn.Module, tensors: dict[str, Tensor], file: pathlib.Path) -> nn.Module:
    """Loads the file's tensors into the network; names and shapes must match exactly."""
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[1].strip()
        raise InputError(DATA, f"{file} does not have the tensors that its metadata describe: {first}") from error
    return network.eval()


def load(named: pathlib.Path, raw: bool = False) -> tuple[dict[str, nn.Module], dict]:
    """Returns the networks by name (moving averages if the file has them, unless `raw`) and the model's options."""
    file = find_model(named)
    options = read_options(file)
    tensors = read_tensors(file)

    def part(prefix: str) -> dict:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    # Shapes only, because metadata may describe networks of any size; the file's tensors replace them.
    with torch.device("meta"):
        networks = networks_in_pytorch.make_networks(options)
    for name, network in networks.items():
        average = {} if raw else part(f"{name}_ema.")
        fill(network, average or part(f"{name}."), file)
    return networks, options


def philox(seed: int, stream: int, position: int, block: int) -> list[int]:
    """Returns four 32-bit words of Philox4x32-10: key `seed`, counter (position, stream, block)."""
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
    """Returns the latents of `valley sample --seeds`: the position is the seed, the key is 0."""
    draw = normal if options["latent_distribution"] == "normal" else uniform
    return draw(0, SAMPLE_STREAM, seeds, options["latent"])


def labels_of_seeds(seeds: list[int], options: dict) -> Tensor | None:
    """Returns the classes of `valley sample --seeds` without --label; None for unconditional models."""
    return torch.tensor([seed % options["labels"] for seed in seeds]) if options["labels"] else None


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
        if not all(end.isascii() and end.isdigit() and int(end) <= MAX_SEED for end in ends):
            raise argparse.ArgumentTypeError("numbers and ranges with commas between them, such as 0-63 or 3,17,5")
        begin, end = map(int, ends)
        if end < begin or len(seeds) + end - begin >= MAX_SEEDS:
            raise argparse.ArgumentTypeError(f"a range must increase, and at most {MAX_SEEDS} seeds are possible")
        seeds += range(begin, end + 1)
    return seeds


def read_latents(path: str, latent: int) -> dict[str, Tensor]:
    """Reads the output of --save-latents: latents [n, latent] and pixels [n, H, W, C]."""
    file = pathlib.Path(path)
    if not file.is_file():
        raise InputError(MISSING, f"{file} does not exist; name an output of valley sample --save-latents")
    saved = read_tensors(file)
    for name, dimensions in (("latents", 2), ("pixels", 4)):
        if name not in saved or saved[name].dim() != dimensions:
            raise InputError(DATA, f"{file} has no {name}; name an output of valley sample --save-latents")
    if saved["latents"].shape[1] != latent:
        raise InputError(DATA, f"{file} has {saved['latents'].shape[1]} latent dimensions, but the model has {latent}")
    return saved


def write_png(path: str, pixels: Tensor) -> None:
    """Arranges the samples in a nearly square grid."""
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(MISSING, "-o needs Pillow, which is not installed: pip install pillow") from error

    n, height, width, channels = pixels.shape
    columns = next(c for c in range(1, n + 1) if c * c >= n)
    sheet = torch.full((-(-n // columns) * height, columns * width, channels), 255).to(torch.uint8)
    for i, image in enumerate(pixels):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = image
    try:
        Image.fromarray(sheet.squeeze(2).numpy() if channels == 1 else sheet.numpy()).save(path)
    except (OSError, ValueError) as error:
        raise InputError(CANNOT_WRITE, f"{path} cannot be written: {error}") from error


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="run directory, checkpoint or model.safetensors")
    parser.add_argument("--seeds", type=parse_seeds, help="0-3,9: draw the latents of these seeds")
    parser.add_argument("--latents", help="output of valley sample --save-latents to compare with")
    parser.add_argument("--raw", action="store_true", help="use the weights instead of their moving average")
    parser.add_argument("-o", "--out", help="PNG to write")
    arguments = parser.parse_args(words)
    if arguments.seeds is None and arguments.latents is None:
        parser.error("give --seeds, --latents or both")
    try:
        return draw(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code


def draw(arguments: argparse.Namespace) -> int:
    networks, options = load(arguments.model, arguments.raw)
    if "generator" not in networks:
        raise InputError(DATA, f"{arguments.model} has no generator: its samples come from chains, not from seeds")
    saved = read_latents(arguments.latents, options["latent"]) if arguments.latents else {}
    if arguments.seeds is None:
        latents, labels = saved["latents"], saved.get("labels")
    else:
        latents, labels = latents_of_seeds(arguments.seeds, options), labels_of_seeds(arguments.seeds, options)
    if options["labels"] and labels is None:
        raise InputError(DATA, f"{arguments.latents} lacks labels, but the model reads classes")
    with torch.inference_mode():
        pixels = to_pixels(networks["generator"](latents, labels), options)
    if arguments.out:
        write_png(arguments.out, pixels)
        print(f"{arguments.out}: {len(pixels)} samples")
    if not saved:
        return 0

    # Uniform latents are exact; logarithms and cosines of normal ones differ in the last bits.
    if not torch.allclose(latents, saved["latents"], rtol=0, atol=1e-5):
        print("the latents differ from those of the file; it may have other seeds or --interpolate")
        return 1
    if pixels.shape != saved["pixels"].shape:
        raise InputError(DATA, f"{arguments.latents} has pixels of another shape than those of the model")
    difference = (pixels.int() - saved["pixels"].int()).abs()
    share = (difference > 0).float().mean().item()
    print(f"largest difference of a pixel: {difference.max().item()} of 255, in {share:.4%} of the values")
    # Sums are rounded in another order than in Valley, which can move a value across a half.
    return 0 if difference.max() <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
