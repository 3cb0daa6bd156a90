#!/usr/bin/env python3
"""Writes letters of fonts as PNG files in the style of MNIST's digits, for `valley shard build`.

    pip install pillow numpy
    datasets/letters.py data/letters-png [FONT.ttf ...]
    valley shard build --source data/letters-png --dest data/letters-28 --resolution 28 --channels gray

Each letter A-Z, a-z is white on black, scaled to a box of 20 pixels, with its center of mass in the middle of 28x28
pixels, as LeCun, Cortes and Burges did with the digits, so only the shape differs. Files are FOLDER/LETTER/FONT.png,
with capitals in folders "A" and small letters in "a_" (file systems may ignore case). Default: all fonts of Debian's
fonts-dejavu-core. O, I, l and others look like digits.
"""

import argparse
import pathlib
import string
import sys

import numpy
from PIL import Image, ImageDraw, ImageFont

SIDE = 28
BOX = 20
LARGE = 200  # font size in pixels before scaling
DEBIAN = pathlib.Path("/usr/share/fonts/truetype/dejavu")
NAMES = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold"]


def draw(letter, font):
    """Returns the letter as uint8 [28, 28]."""
    large = Image.new("L", (3 * LARGE, 3 * LARGE))
    ImageDraw.Draw(large).text((LARGE, LARGE), letter, fill=255, font=font)
    large = large.crop(large.getbbox())
    scale = BOX / max(large.size)
    size = [max(1, round(side * scale)) for side in large.size]
    small = numpy.asarray(large.resize(size, Image.Resampling.BOX), dtype=float)
    rows, columns = (numpy.arange(side) + 0.5 for side in small.shape)
    top = round(SIDE / 2 - (small.sum(1) @ rows) / small.sum())
    left = round(SIDE / 2 - (small.sum(0) @ columns) / small.sum())
    top = min(max(top, 0), SIDE - small.shape[0])
    left = min(max(left, 0), SIDE - small.shape[1])
    image = numpy.zeros((SIDE, SIDE), dtype="uint8")
    image[top : top + small.shape[0], left : left + small.shape[1]] = small.round()
    return image


def write(folder, fonts):
    """Writes FOLDER/LETTER/FONT.png; returns their number."""
    count = 0
    for path in fonts:
        try:
            font = ImageFont.truetype(str(path), LARGE)
        except OSError as error:
            sys.exit(f"letters.py: {path}: {error}; name a TrueType or OpenType font")
        for letter in string.ascii_letters:
            place = folder / (letter if letter.isupper() else letter + "_")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(letter, font)).save(place / f"{path.stem}.png")
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("fonts", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    fonts = arguments.fonts or [DEBIAN / f"{name}.ttf" for name in NAMES]
    missing = [str(font) for font in fonts if not font.is_file()]
    if missing:
        sys.exit(f"letters.py: {', '.join(missing)} not found; install fonts-dejavu-core, or name font files")
    print(f"{write(arguments.folder, fonts)} letters in {arguments.folder}")


if __name__ == "__main__":
    main()
