"""Folders of images and their shards, as h5py reads them."""

import json
import subprocess

import h5py
from PIL import Image
from valley_program import VALLEY, valley


def build(source, destination, *arguments, expect=0):
    return valley("shard", "build", "--source", source, "--dest", destination, "--progress", "none", "--max-error-rate",
                  "1", *arguments, expect=expect)


def run(*arguments):
    return subprocess.run([VALLEY, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


def color(folder, name, value, size=(8, 8)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).save(path)


def read_back(folder):
    """names -> labels, and the class names, as h5py sees both."""
    with h5py.File(folder / "index.h5") as index:
        labels = dict(zip(index["names"].asstr()[:], index["labels"][:].tolist(), strict=True))
    with h5py.File(folder / "shard-00000.h5") as shard:
        names = [name.decode() for name in shard.attrs["class_names"]] if len(shard.attrs["class_names"]) else []
    assert names == json.loads((folder / "manifest.json").read_text())["class_names"]
    return labels, names
