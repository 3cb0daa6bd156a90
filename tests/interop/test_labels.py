"""Labels of images: class folders, dataset.json, and errors that name what to change."""

import json

import pytest
from image_shards import build, color, read_back, run


def test_class_folders_are_labels(tmp_path):
    for number, name in enumerate(["zebra/a.png", "Ant/b.png", "Ant/deep/c.png", "\u00e4ther/d.png", "zebra/e.PNG"]):
        color(tmp_path / "in", name, number)
    build(tmp_path / "in", tmp_path / "out", "--resolution", "8", "--require-labels")
    labels, names = read_back(tmp_path / "out")
    assert names == ["Ant", "zebra", "\u00e4ther"]
    assert labels == {"zebra/a.png": 1, "Ant/b.png": 0, "Ant/deep/c.png": 0, "\u00e4ther/d.png": 2, "zebra/e.PNG": 1}
    build(tmp_path / "in", tmp_path / "none", "--resolution", "8", "--labels", "none")
    assert set(read_back(tmp_path / "none")[0].values()) == {-1}


def test_partial_labels_are_warned_about_or_rejected(tmp_path):
    for name in ("a/1.png", "b/2.png", "3.png"):
        color(tmp_path / "in", name, 9)
    command = ["shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest"]
    result = run(*command, tmp_path / "out")
    assert result.returncode == 0 and "1 of 3 images have no label, such as 3.png" in result.stderr
    assert read_back(tmp_path / "out") == ({"a/1.png": 0, "b/2.png": 1, "3.png": -1}, ["a", "b"])
    refused = run(*command, tmp_path / "refused", "--require-labels")
    assert refused.returncode == 65 and "3.png" in refused.stderr and refused.stderr.count("error:") == 1
    assert not (tmp_path / "refused").exists()


def test_labels_of_stylegan_file_are_read(tmp_path):
    for name in ("00000/img0.png", "00000/img1.png", "00001/img2.png"):
        color(tmp_path / "in", name, 9)
    labels = [["00000/img0.png", 7], ["00001/img2.png", 0]]
    file = tmp_path / "in" / "dataset.json"
    file.write_text(json.dumps({"labels": labels}))
    result = run("shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest", tmp_path / "out")
    assert "1 of 3 images have no label, such as 00000/img1.png" in result.stderr
    assert "skipped" not in result.stderr, "the file of labels is used"
    assert read_back(tmp_path / "out") == ({"00000/img0.png": 7, "00000/img1.png": -1, "00001/img2.png": 0}, [])
    file.write_text(json.dumps({"labels": [*labels, ["00000/img1.png", 1], ["gone.png", 1]],
                                "class_names": list("abcdefgh")}))
    result = run("shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest", tmp_path / "named",
                 "--labels", f"json:{file}", "--require-labels")
    assert result.returncode == 0 and '1 of its labels belong to no image of the folder, such as "gone.png"' in result.stderr
    assert read_back(tmp_path / "named")[1] == list("abcdefgh")


MISMATCHES = {
    "empty": ([], "empty"), "backslashes": ([["00000\\img0.png", 1], ["00001\\img2.png", 0]], "have backslashes"),
    "windows": ([["C:\\data\\img0.png", 1]], "have backslashes"), "absolute": ([["/data/ffhq/00000/img0.png", 1]], "are absolute"),
    "extension": ([["00000/img0.jpg", 1], ["00000/img1.jpeg", 1]], "other extensions"), "case": ([["00000/IMG0.PNG", 1]], "upper and lower case"),
    "folder": ([["train/00000/img0.png", 1]], "in other folders"), "flat": ([["img0.png", 1]], "in other folders"),
    "other": ([["a/b.png", 1]], "another folder")}


@pytest.mark.parametrize("kind", MISMATCHES)
def test_labels_without_a_match_are_rejected_with_the_likely_reason(tmp_path, kind):
    for name in ("00000/img0.png", "00000/img1.png", "00001/img2.png"):
        color(tmp_path / "in", name, 9)
    labels, reason = MISMATCHES[kind]
    file = tmp_path / "labels.json"
    file.write_text(json.dumps({"labels": labels}))
    command = ["shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest", tmp_path / "out"]
    result = run(*command, "--labels", f"json:{file}")
    assert result.returncode == 65 and result.stderr.count("error:") == 1
    for part in (reason, "labels.json", '"00000/img0.png", "00000/img1.png"', *(f'"{path}"' for path, _ in labels[:2])):
        assert part in result.stderr, result.stderr
    assert not (tmp_path / "out").exists()
    if kind in ("empty", "extension"):  # found without --labels: an empty list is not a list
        (tmp_path / "in" / "dataset.json").write_text(file.read_text())
        result = run(*command)
        if labels:
            assert result.returncode == 65 and "--labels dirs or --labels none" in result.stderr
        else:
            assert result.returncode == 0 and read_back(tmp_path / "out")[1] == ["00000", "00001"]


def test_labels_that_match_in_part_are_counted(tmp_path):
    for name in ("a.png", "b.png", "c.png", "d.png"):
        color(tmp_path / "in", name, 9)
    (tmp_path / "labels.json").write_text(json.dumps({"labels": [["a.png", 1], ["e.png", 1], ["f.png", 0]]}))
    result = run("shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest", tmp_path / "out", "--labels",
                 f"json:{tmp_path / 'labels.json'}")
    assert result.returncode == 0 and read_back(tmp_path / "out")[0] == {"a.png": 1, "b.png": -1, "c.png": -1, "d.png": -1}
    for part in ("2 of its labels belong to no image", '"e.png"', "1 of 3 entries match", "3 of 4 images have no label"):
        assert part in result.stderr, result.stderr


@pytest.mark.parametrize("content", ['[{"file": "a.png"}]', '{"labels": {"a.png": 3}}', '{"labels": [{"path": "a.png"}]}', "<html>"])
def test_foreign_dataset_json_error_lists_solutions(tmp_path, content):
    for name in ("x/a.png", "y/b.png"):
        color(tmp_path / "in", name, 9)
    (tmp_path / "in" / "dataset.json").write_text(content)
    command = ["shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest", tmp_path / "out"]
    result = run(*command)
    assert result.returncode == 65 and "--labels dirs or --labels none" in result.stderr
    result = run(*command, "--labels", "dirs")
    assert result.returncode == 0 and read_back(tmp_path / "out")[1] == ["x", "y"]


def test_class_whose_images_are_all_rejected_is_named(tmp_path):
    for name in ("a/1.png", "c/3.png", "d/4.png"):
        color(tmp_path / "in", name, 9)
    for name in ("b/2.png", "b/3.png", "d/5.png"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    command = ["shard", "build", "--source", tmp_path / "in", "--resolution", "8", "--dest", tmp_path / "out", "--max-error-rate", "1"]
    result = run(*command)
    assert result.returncode == 0 and 'all images of class 1 ("b") were rejected' in result.stderr
    assert read_back(tmp_path / "out") == ({"a/1.png": 0, "c/3.png": 2, "d/4.png": 3}, ["a", "b", "c", "d"])
    result = run(*command[:-1], "1", "--overwrite", "--max-images", "1", "--no-shuffle")
    assert "all images of class" not in result.stderr, "the other classes were not looked at"


@pytest.mark.parametrize(("content", "part"), [
    ("{", "no JSON object"), ('{"labels": {}}', "is not a list"), ('{"other": 1}', 'no "labels"'),
    ('{"labels": [["a.png", "cat"]]}', '["a.png","cat"]'), ('{"labels": [["a.png", -1]]}', '["a.png",-1]'),
    ('{"labels": [["a.png", 1], ["a.png", 2]]}', "two labels, 1 and 2"),
    ('{"labels": [["a.png", 2]], "class_names": ["x"]}', "at least 3 texts")])
def test_bad_label_files_are_rejected_naming_the_entry(tmp_path, content, part):
    color(tmp_path / "in", "a.png", 1)
    (tmp_path / "labels.json").write_text(content)
    result = run("shard", "build", "--source", tmp_path / "in", "--dest", tmp_path / "out", "--labels",
                 f"json:{tmp_path / 'labels.json'}")
    assert result.returncode == 65 and part in result.stderr.replace("not a JSON", "no JSON"), result.stderr
    assert "labels.json" in result.stderr
