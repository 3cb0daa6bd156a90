"""`valley shard diff`, and what `info` and `--label-names` say about classes."""

import json
import math

import pytest
from image_shards import build, color, read_back, run
from valley_program import valley

SHAPE = "--resolution", 8, "--no-shuffle"


def make(folder, values, *arguments):
    """A data set of plain images: {name: color}."""
    for name, value in values.items():
        color(folder / "in", name, value)
    build(folder / "in", folder / "data", *SHAPE, *arguments)
    return folder / "data"


@pytest.fixture
def before(tmp_path):
    return make(tmp_path / "before", {f"{name}/{i}.png": 10 * i + len(name) for name in ("cat", "horse") for i in range(5)})


def differences(a, b, expect=65):
    return json.loads(valley("shard", "diff", a, b, "--json", expect=expect))


def test_equal_contents_in_other_shards_have_code_0(before, tmp_path):
    valley("shard", "reshard", before, "--shard-images", 32, "--dest", tmp_path / "copy")
    found = differences(before, tmp_path / "copy", expect=0)
    assert found["same_content"] and found["moved"] == found["only_a"] == found["other_pixels"] == []
    assert found["settings"]["shard_images"] == {"a": 4096, "b": 32}


def test_each_kind_of_difference_is_listed(before, tmp_path):
    values = {f"{name}/{i}.png": 10 * i + len(name) for name in ("cat", "horse") for i in range(5)}
    values["cat/new name.png"] = values.pop("cat/1.png")
    values["horse/2.png"] = 200
    values["horse/9.png"] = 99
    del values["horse/0.png"]
    found = differences(before, make(tmp_path / "after", values))
    assert not found["same_content"] and found["same_class_names"] and found["same_shape"]
    assert [image["name"] for image in found["only_a"]] == ["horse/0.png"]
    assert [image["name"] for image in found["only_b"]] == ["horse/9.png"]
    assert [(pair["a"]["name"], pair["b"]["name"]) for pair in found["renamed"]] == [("cat/1.png", "cat/new name.png")]
    assert [pair["a"]["name"] for pair in found["other_pixels"]] == ["horse/2.png"]
    assert found["moved"] == found["other_label"] == []


def test_moved_images_are_the_fewest(before, tmp_path):
    """One image is moved from the beginning to the end: 9 others keep their order."""
    order = list(read_back(before)[0])
    valley("shard", "export", before, "--to", "folder", "--dest", tmp_path / "out")
    meta = json.loads((tmp_path / "out" / "dataset.json").read_text())
    meta["order"] = [*order[1:], order[0]]
    (tmp_path / "out" / "dataset.json").write_text(json.dumps(meta))
    build(tmp_path / "out", tmp_path / "after", *SHAPE)
    found = differences(before, tmp_path / "after")
    assert [pair["a"]["name"] for pair in found["moved"]] == [order[0]] and found["moved"][0]["b"]["index"] == 9


def test_other_labels_and_class_names(before, tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps({"labels": [[name, 0] for name in read_back(before)[0]]}))
    build(before.parent / "in", tmp_path / "after", "--labels", f"json:{tmp_path / 'labels.json'}", *SHAPE)
    found = differences(before, tmp_path / "after")
    assert len(found["other_label"]) == 5 and not found["same_class_names"]
    assert found["settings"]["class_names"] == {"a": ["cat", "horse"], "b": []}
    result = run("shard", "diff", before, tmp_path / "after")
    assert result.returncode == 65 and "other label: 5\n  horse/0.png: 1 in A, 0 in B\n" in result.stdout


def test_long_lists_show_twenty(before, tmp_path):
    after = make(tmp_path / "after", {f"cat/x{i:02}.png": i for i in range(30)} | {"horse/0.png": 1})
    result = run("shard", "diff", before, after)
    assert "only in B: 2" in result.stdout and "and " in result.stdout and result.stdout.count("\n  ") < 60


def test_info_describes_the_balance_of_classes(tmp_path):
    data = make(tmp_path, {f"{name}/{i}.png": i for name, count in (("cat", 6), ("dog", 2)) for i in range(count)})
    info = json.loads(valley("shard", "info", data, "--json"))
    assert [(one["name"], one["images"], one["share"]) for one in info["classes"]] == [("cat", 6, 0.75), ("dog", 2, 0.25)]
    balance = info["class_balance"]
    assert (balance["classes"], balance["smallest"], balance["largest"], balance["ratio"]) == (2, 1, 0, 3)
    assert math.isclose(balance["entropy"], -0.75 * math.log2(0.75) - 0.25 * math.log2(0.25))
    text = valley("shard", "info", data)
    assert "class        cat: 6 images (75.00 %)\n" in text
    assert "balance      2 classes, from 2 images (dog) to 6 (cat): 1 to 3; entropy 0.811 of 1.000 bits\n" in text


@pytest.mark.parametrize("form", ["list", "lines", "json"])
def test_label_names_name_the_classes(tmp_path, form):
    (tmp_path / "lines").write_text("red\r\ngreen\r\n")
    (tmp_path / "json").write_text('["red", "green"]')
    names = "red,green" if form == "list" else tmp_path / form
    data = make(tmp_path, {"0/a.png": 1, "1/b.png": 2}, "--label-names", names)
    assert read_back(data) == ({"0/a.png": 0, "1/b.png": 1}, ["red", "green"])
    valley("shard", "subset", data, "--first", 1, "--label-names", "one,two", "--dest", tmp_path / "copy")
    assert read_back(tmp_path / "copy") == ({"0/a.png": 0}, ["one", "two"])


@pytest.mark.parametrize(("names", "code", "message"), [
    ("red,green,blue", 2, "has 3 names, but the images have 2 classes"),
    ("red,red", 65, 'two classes have the name "red"'),
    ("red,", 65, "the name of class 1 is empty"),
    ("none.txt", 2, "there is no such file"),
])
def test_unusable_label_names_are_rejected(tmp_path, names, code, message):
    color(tmp_path / "in", "0/a.png", 1)
    color(tmp_path / "in", "1/b.png", 1)
    result = run("shard", "build", "--source", tmp_path / "in", "--dest", tmp_path / "out", "--resolution", 8, "--label-names", names)
    assert result.returncode == code and message in result.stderr, result.stderr
    assert not (tmp_path / "out").exists()
