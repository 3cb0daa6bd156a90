#!/usr/bin/env python3
"""Measures how many samples of conditional models a classifier of real digits assigns to the class that was asked for: the table of
docs/conditional.md.

    labels.py [--only NAME ...] [--runs runs/labels] [--valley build/valley] [--seeds 100] [--set KEY=VALUE ...]

Trains a small convolutional classifier in PyTorch on the 4,000 digits of data/mnist-train-28 and states its accuracy on the 1,000 of
data/mnist-test-28. Then trains each configuration on the same 4,000 digits, unless its run exists, draws --seeds samples of each class,
and prints:

    asked     share of samples that are classified as the class that was asked for, with the lowest class
    distance  mean pairwise distance of samples within a class, relative to that of test digits (1: as diverse; near 0: one image per class)

Data: datasets/README.md.
"""

import argparse
import pathlib
import subprocess
import sys

import h5py
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
TRAINING, TEST = "data/mnist-train-28", "data/mnist-test-28"
CONFIGS = ("mnist-magan-labels", "mnist-ebgan-labels")
CLASSES = 10


def read_digits(folder: str) -> tuple[Tensor, Tensor]:
    """Images float [n, 1, 28, 28] in [0, 1] and classes int64 [n]."""
    images, labels = [], []
    for shard in sorted((REPOSITORY / folder).glob("shard-*.h5")):
        with h5py.File(shard) as file:
            images.append(torch.from_numpy(file["images"][:]))
            labels.append(torch.from_numpy(file["labels"][:]).long())
    if not images:
        sys.exit(f"labels.py: {folder} has no shards; build it as datasets/README.md says")
    return torch.cat(images).reshape(-1, 1, 28, 28).float() / 255, torch.cat(labels)


def make_classifier() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, CLASSES))


def train_classifier(images: Tensor, labels: Tensor, epochs: int = 12, batch: int = 64) -> nn.Module:
    """Each image is shifted by up to 2 pixels, so that the classifier does not depend on exact positions."""
    torch.manual_seed(0)
    network = make_classifier()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for part in torch.randperm(len(images)).split(batch):
            dy, dx = torch.randint(-2, 3, (2,)).tolist()
            shifted = torch.roll(images[part], (dy, dx), (2, 3))
            optimizer.zero_grad()
            F.cross_entropy(network(shifted), labels[part]).backward()
            optimizer.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def accuracies(network: nn.Module, images: Tensor, labels: Tensor) -> list[float]:
    """Share of images that are classified as their label, per class."""
    found = torch.cat([network(part).argmax(1) for part in images.split(500)])
    return [(found[labels == c] == c).float().mean().item() for c in range(CLASSES)]


def distances(images: Tensor, labels: Tensor) -> list[float]:
    """Mean distance of pairs within each class."""
    return [torch.pdist(images[labels == c].flatten(1)).mean().item() for c in range(CLASSES)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def run(command: list, log) -> str:
    result = subprocess.run(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"labels.py: exit {result.returncode} of {' '.join(map(str, command))}; see messages.txt of its folder")
    return result.stdout


def draw(name: str, folder: pathlib.Path, o: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Samples of a configuration and their classes."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "messages.txt", "a", encoding="utf-8") as log:
        if not any(folder.glob("[0-9]*-*")):
            run([o.valley, "train", f"configs/{name}.toml", f"data.path={TRAINING}", "--out", folder, *o.set], log)
        [trained] = [path for path in folder.glob("[0-9]*-*") if path.is_dir()]
        drawn = folder / "samples.safetensors"
        run([o.valley, "sample", trained, "--seeds", f"0-{o.seeds - 1}", "--label", "each", "-o", folder / "samples.png",
             "--save-latents", drawn], log)
        run([o.valley, "sample", trained, "--seeds", "0-9", "--label", "each", "-o", folder / "each.png"], log)
    tensors = load_file(drawn)
    return tensors["pixels"].permute(0, 3, 1, 2).float() / 255, tensors["labels"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(CONFIGS), metavar="NAME")
    parser.add_argument("--runs", type=pathlib.Path, default=REPOSITORY / "runs" / "labels")
    parser.add_argument("--valley", default="build/valley")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="overrides of the configurations' keys")
    o = parser.parse_args()
    torch.set_num_threads(1)
    test_images, test_labels = read_digits(TEST)
    saved = o.runs / "classifier.pt"
    if saved.exists():
        network = make_classifier()
        network.load_state_dict(torch.load(saved, weights_only=True))
        network.eval()
    else:
        network = train_classifier(*read_digits(TRAINING))
        saved.parent.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), saved)
    real = distances(test_images, test_labels)
    print(f"classifier: {mean(accuracies(network, test_images, test_labels)):.3f} of {len(test_images)} held-out digits")
    for name in o.only:
        images, labels = draw(name, o.runs / name, o)
        asked = accuracies(network, images, labels)
        ratios = [a / b for a, b in zip(distances(images, labels), real)]
        worst = min(range(CLASSES), key=asked.__getitem__)
        narrow = min(range(CLASSES), key=ratios.__getitem__)
        print(f"{name}: asked {mean(asked):.3f} of {len(images)} (lowest: class {worst}, {asked[worst]:.2f}), "
              f"distance {mean(ratios):.2f} (lowest: class {narrow}, {ratios[narrow]:.2f})")


if __name__ == "__main__":
    main()
