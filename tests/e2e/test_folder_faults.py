"""Image folders on failing disks, and similar errors: an entry that cannot be read is listed in rejects.jsonl and keeps its
class; a failing disk ends the command with exit code 74 and the path."""

import errno
import json
import os
import re

import numpy as np
import pytest
from PIL import Image
from program import DATA, MISSING

IO = 74
STORAGE = [errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO, errno.ETIMEDOUT, errno.ENOTCONN, errno.EUCLEAN]


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path):
    """Three classes of two images."""
    for name in ("ant", "bee", "cat"):
        put(tmp_path / "in" / name / "1.png")
        put(tmp_path / "in" / name / "2.png")
    return tmp_path / "in"


@pytest.fixture
def build(faulty_valley, photos, tmp_path):
    def run(fail="", *options):
        result = faulty_valley("shard", "build", "--source", photos, "--dest", tmp_path / "out", "--resolution", "8", "--progress", "none",
                        "--max-error-rate", "1", "--overwrite", *options, fail=fail)
        result.rejects, result.classes, result.labels = {}, None, None
        if result.returncode == 0:
            manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
            result.classes = manifest["class_names"]
            result.labels = set(manifest["class_histogram"])
            lines = map(json.loads, (tmp_path / "out" / "rejects.jsonl").read_text().splitlines())
            result.rejects = {line["name"]: line["detail"] for line in lines}
        return result
    return run


def test_unreadable_class_folder_keeps_its_label(build, photos):
    """A dangling link, a loop of links, a folder without permission (to stat() or to list it), by their errnos."""
    links = photos / "bee"
    for path in links.iterdir():
        path.unlink()
    links.rmdir()
    for target in ("/no/such/folder", "bee", "../gone.d"):
        links.symlink_to(target)
        result = build()
        assert result.returncode == 0 and result.classes == ["ant", "bee", "cat"] and result.labels == {"0", "2"}, result.stderr
        assert list(result.rejects) == ["bee/"] and "symbolic link" in result.rejects["bee/"]
        assert 'class 1 ("bee")' in result.stderr
        links.unlink()


@pytest.mark.parametrize("call", ["stat", "opendir"])
def test_class_folder_without_permission_keeps_its_label(build, call):
    for number in (errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG) if call == "stat" else (errno.EACCES,):
        result = build(f"{call}:in/bee:{number}")
        assert result.returncode == 0 and result.classes == ["ant", "bee", "cat"] and result.labels == {"0", "2"}, result.stderr
        assert result.rejects == {"bee/": f"the folder: {os.strerror(number)}"}


def test_image_without_permission_is_rejected(build):
    result = build(f"stat:bee/2.png:{errno.EACCES},open:cat/1.png:{errno.EACCES}")
    assert result.returncode == 0 and set(result.rejects) == {"bee/2.png", "cat/1.png"}
    assert result.labels == {"0", "1", "2"}


def test_other_files_are_ignored_even_if_stat_fails(build, photos):
    """No class is made of a document or a dangling link to one."""
    (photos / "notes.txt").write_text("")
    (photos / "LICENSE").write_text("")
    (photos / "README.MD").symlink_to("../gone/readme.md")
    result = build(f"stat:notes.txt:{errno.EACCES},stat:LICENSE:{errno.EACCES}")
    assert result.returncode == 0 and result.classes == ["ant", "bee", "cat"] and result.rejects == {}
    assert "3 files are skipped, whose names do not end" in result.stderr


@pytest.mark.parametrize("number", STORAGE)
def test_failing_disk_ends_the_build_with_its_path(build, photos, number):
    (photos / "notes.txt").write_text("")
    calls = {errno.EIO: ["stat:in/bee", "stat:cat/1.png", "stat:in/notes.txt", "open:cat/1.png", "opendir:in/bee", "readdir:in/bee"],
             errno.ESTALE: ["stat:in/bee", "readdir:in/bee"]}.get(number, ["stat:in/bee"])
    for call in calls:
        result = build(f"{call}:{number}")
        name = call.partition(":")[2]
        assert result.returncode == IO, (call, result.stderr)
        assert name in result.stderr and os.strerror(number) in result.stderr and len(re.findall("^error:", result.stderr, re.MULTILINE)) == 1


def test_incomplete_folder_listing_is_an_error(build):
    result = build(f"readdir:in/bee:{errno.EIO}:3")
    assert result.returncode == IO and "in/bee" in result.stderr


def test_unreadable_source_is_an_error(build, photos, tmp_path):
    for fail, code in ((f"stat:/in:{errno.EIO}", IO), (f"stat:/in:{errno.EACCES}", MISSING), (f"opendir:/in:{errno.ENOTCONN}", IO),
                       (f"readdir:/in:{errno.EIO}:2", IO), (f"stat:dataset.json:{errno.EIO}", IO)):
        result = build(fail)
        assert result.returncode == code and str(photos) in result.stderr, (fail, result.stderr)
    assert not (tmp_path / "out").exists()
    (photos / "dataset.json").symlink_to("gone.json")  # labels that should be there
    result = build()
    assert result.returncode == MISSING and "dataset.json" in result.stderr


def test_energy_reports_a_failing_disk(faulty_valley, photos, shared_model):
    for fail, code in ((f"stat:in/bee:{errno.ESTALE}", IO), (f"stat:cat/1.png:{errno.EIO}", IO), (f"readdir:in/bee:{errno.EIO}:3", IO),
                       (f"open:cat/1.png:{errno.EREMOTEIO}", IO), (f"stat:manifest.json:{errno.EIO}", IO),
                       (f"stat:in/bee:{errno.EACCES}", DATA)):
        result = faulty_valley("energy", shared_model, "--data", photos, "--device", "cpu", fail=fail)
        assert result.returncode == code, (fail, result.stderr)
        assert fail.split(":")[1] in result.stderr
    result = faulty_valley("energy", shared_model, "--data", photos / "ant" / "1.png", "--device", "cpu", fail=f"stat:ant/1.png:{errno.EIO}")
    assert result.returncode == IO and "ant/1.png" in result.stderr


@pytest.fixture(scope="module")
def shared_model(shared_program):
    return shared_program.trained(None, "train.steps=1")
