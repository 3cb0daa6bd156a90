"""`valley shard subset`, `split`, `merge` and `reshard`, read by h5py."""

import collections
import json

import h5py
import numpy as np
import pytest
from image_shards import build, color, read_back, run

CLASSES = {"cat": 30, "dog": 20, "eel": 10}


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    for name, count in CLASSES.items():
        for i in range(count):
            color(folder / "in", f"{name}/{i:02}.png", 4 * i, size=(8 + i, 9))
    build(folder / "in", folder / "pets", "--resolution", 8)
    return folder / "pets"


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def images(folder):
    """(name, label, pixels) in the order of the data set."""
    found = []
    for path in sorted(folder.glob("shard-*.h5")):
        with h5py.File(path) as shard:
            found += zip(shard["names"].asstr()[:].tolist(), shard["labels"][:].tolist(), [p.tobytes() for p in shard["images"][:]],
                         strict=True)
    return found


def shard(*arguments, expect=0):
    result = run("shard", *arguments)
    assert result.returncode == expect, result.stderr
    return result


def test_subset_of_classes_keeps_order_and_pixels(pets, tmp_path):
    shard("subset", pets, "--class", "cat", "--class", "2", "--dest", tmp_path / "out")
    assert images(tmp_path / "out") == [image for image in images(pets) if image[1] in (0, 2)]
    assert read_back(tmp_path / "out")[1] == ["cat", "dog", "eel"]


def test_random_subset_depends_on_the_seed_only(pets, tmp_path):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        shard("subset", pets, "--random", 25, "--seed", seed, "--dest", tmp_path / out, "--jobs", 1 + seed)
    assert images(tmp_path / "a") == images(tmp_path / "b") != images(tmp_path / "c")
    assert len(images(tmp_path / "a")) == 25 and set(images(tmp_path / "a")) <= set(images(pets))


def test_subset_by_names(pets, tmp_path):
    (tmp_path / "names.txt").write_text("eel/03.png\ncat/00.png\n")
    shard("subset", pets, "--names", tmp_path / "names.txt", "--dest", tmp_path / "out")
    assert {name for name, _, _ in images(tmp_path / "out")} == {"eel/03.png", "cat/00.png"}
    (tmp_path / "names.txt").write_text("eel/03.png\nnone.png\n")
    result = shard("subset", pets, "--names", tmp_path / "names.txt", "--dest", tmp_path / "none", expect=2)
    assert "none.png" in result.stderr


def test_split_has_the_same_share_of_every_class(pets, tmp_path):
    shard("split", pets, "train=0.8", "test=0.2", "--dest", tmp_path / "out")
    parts = {part: images(tmp_path / "out" / part) for part in ("train", "test")}
    assert sorted(parts["train"] + parts["test"]) == sorted(images(pets))
    assert collections.Counter(label for _, label, _ in parts["test"]) == {0: 6, 1: 4, 2: 2}
    assert manifest(tmp_path / "out" / "test")["class_names"] == ["cat", "dog", "eel"]


@pytest.mark.parametrize("parts", [["a=0.5"], ["a=0.5", "b=0.6"], ["a=0.5", "a=0.5"], ["a", "b=1"], ["a=-1", "b=2"]])
def test_bad_shares_are_rejected(pets, tmp_path, parts):
    shard("split", pets, *parts, "--dest", tmp_path / "out", expect=2)
    assert not (tmp_path / "out").exists()


def test_merge_matches_classes_by_name(pets, tmp_path):
    for name in ("eel", "ant"):
        color(tmp_path / "in", f"{name}/x.png", 9)
    build(tmp_path / "in", tmp_path / "more", "--resolution", 8)
    shard("merge", pets, tmp_path / "more", "--dest", tmp_path / "out")
    labels, names = read_back(tmp_path / "out")
    assert names == ["ant", "cat", "dog", "eel"]
    assert labels["more/ant/x.png"] == 0 and labels["more/eel/x.png"] == labels["pets/eel/00.png"] == 3
    assert len(labels) == sum(CLASSES.values()) + 2


def test_reshard_keeps_the_fingerprint(pets, tmp_path):
    shard("reshard", pets, "--shard-images", 32, "--dest", tmp_path / "out")
    assert manifest(tmp_path / "out")["fingerprint"] == manifest(pets)["fingerprint"]
    assert len(list((tmp_path / "out").glob("shard-*.h5"))) == 2
    with h5py.File(pets / "shard-00000.h5") as before, h5py.File(tmp_path / "out" / "shard-00000.h5") as after:
        assert (before["orig_size"][:32] == after["orig_size"][:]).all()


def test_lower_resolution_is_that_of_pillow(pets, tmp_path):
    from PIL import Image
    shard("reshard", pets, "--resolution", 4, "--filter", "box", "--dest", tmp_path / "out")
    for (name, _, big), (other, _, small) in zip(images(pets), images(tmp_path / "out"), strict=True):
        picture = Image.frombytes("RGB", (8, 8), big).resize((4, 4), Image.Resampling.BOX)
        assert name == other and np.array_equal(np.frombuffer(small, np.uint8), np.asarray(picture).ravel())
    shard("reshard", pets, "--resolution", 16, "--dest", tmp_path / "none", expect=2)
