"""`valley shard export`: other programs read the exports, and a data set that is built from one has the same fingerprint."""

import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time
import zipfile

import numpy as np
import pytest
from image_shards import build, color, read_back, run
from PIL import Image
from valley_program import VALLEY, build_faces, valley

KINDS = "folder", "zip", "webdataset", "npz"
# Names that need care: names that differ in case only, a folder that is named like a file, other extensions,
# characters that some systems do not allow, hidden parts, and bytes that are not UTF-8.
NAMES = "cat/a.png", "cat/A.PNG", "cat/a.jpg", "dog/b.c.png", "dog/b.c.png.webp", "dog/ü 😀.png", "dog/x:y*?.png", "eel/\\_.png"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    rng = np.random.default_rng(1)
    for name in NAMES:
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)).save(path, "PNG")
    (folder / "in" / "cat" / "x.png").write_bytes((folder / "in" / NAMES[0]).read_bytes())
    os.rename(folder / "in" / "cat" / "x.png", bytes(folder / "in" / "cat") + b"/\xff.png")
    shape = "--resolution", "12x8", "--transform", "none"
    build(folder / "in", folder / "shuffled", *shape)
    build(folder / "in", folder / "gray", "--channels", "gray", "--no-shuffle", *shape)
    build(folder / "in", folder / "unlabeled", "--labels", "none", *shape)
    (folder / "some.json").write_text(json.dumps({"labels": [["cat/a.png", 2], ["dog/b.c.png", 0]]}))
    build(folder / "in", folder / "partly", "--labels", f"json:{folder / 'some.json'}", *shape)
    build_faces(folder / "font")
    return folder


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def export(dataset, kind, destination, *arguments, expect=0):
    """Returns the command that builds the data set again."""
    output = valley("shard", "export", dataset, "--to", kind, "--dest", destination, "--json", *arguments, expect=expect)
    return json.loads(output)["build"] if expect == 0 else None


def tree(path):
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["shuffled", "gray", "unlabeled", "partly", "font"])
def test_data_set_built_from_an_export_has_the_same_fingerprint(datasets, tmp_path, kind, name):
    command = export(datasets / name, kind, tmp_path / "it's out", "--shard-images", "5")
    command = command.replace("valley", str(VALLEY), 1).replace("DEST", str(tmp_path / "back"))
    subprocess.run(["bash", "-c", f"{command} --progress none"], check=True, capture_output=True, timeout=120)
    assert manifest(tmp_path / "back")["fingerprint"] == manifest(datasets / name)["fingerprint"]
    assert read_back(tmp_path / "back")[0] == read_back(datasets / name)[0]
    if name in ("shuffled", "gray"):
        assert read_back(tmp_path / "back")[1] == ["cat", "dog", "eel"]


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_do_not_depend_on_threads_or_time(datasets, tmp_path, kind):
    for jobs in (1, 3):
        export(datasets / "font", kind, tmp_path / str(jobs), "--jobs", str(jobs), "--shard-images", "7")
    assert tree(tmp_path / "1") == tree(tmp_path / "3")


def pixels(datasets, name):
    import h5py
    with h5py.File(datasets / name / "index.h5") as index:
        return index["images"][:], index["labels"][:].tolist(), index["names"].asstr()[:].tolist()


def test_numpy_reads_npz(datasets, tmp_path):
    export(datasets / "shuffled", "npz", tmp_path / "out.npz")
    images, labels, names = pixels(datasets, "shuffled")
    with np.load(tmp_path / "out.npz") as arrays:
        assert np.array_equal(arrays["images"], images) and arrays["images"].dtype == np.uint8
        assert arrays["labels"].tolist() == labels and arrays["names"].tolist() == names
        assert arrays["class_names"].tolist() == ["cat", "dog", "eel"]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_zip_and_folder_are_those_of_stylegan(datasets, tmp_path, kind):
    """Read as dataset_tool.py does: image names and labels of dataset.json."""
    export(datasets / "shuffled", kind, tmp_path / "out")
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "out") as archive:
            assert archive.testzip() is None
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
            files = {name: archive.read(name) for name in archive.namelist()}
    else:
        files = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len({name.lower() for name in files}) == len(files) == len(NAMES) + 2
    meta = json.loads(files["dataset.json"])
    labels = dict(meta["labels"])
    images, expected, names = pixels(datasets, "shuffled")
    for i, path in enumerate(meta["order"]):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(files[path]))), images[i])
        assert labels[path] == expected[i] and meta["names"].get(path, path) == names[i]
        assert not set(path) & set('\\:*?"<>|')
    assert "cat/a.png" in files and "dog/ü 😀.png" in files


def test_webdataset_reads_the_tar_files(datasets, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    export(datasets / "partly", "webdataset", tmp_path / "out", "--shard-images", "5")
    images, labels, names = pixels(datasets, "partly")
    urls = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(urls) == 2 and len(samples) == len(names)
    for i, sample in enumerate(samples):
        assert np.array_equal(sample["png"], images[i]) and sample["json"]["name"] == names[i]
        assert sample.get("cls", -1) == labels[i]
    with tarfile.open(urls[0]) as archive:
        assert {member.mtime for member in archive} == {0}


def test_images_may_be_removed_from_an_exported_folder(datasets, tmp_path):
    export(datasets / "gray", "folder", tmp_path / "out")
    (tmp_path / "out" / "dog" / "b.c.png").unlink()
    build(tmp_path / "out", tmp_path / "back", "--resolution", "12x8", "--channels", "gray", "--no-shuffle", "--transform", "none")
    names = pixels(datasets, "gray")[2]
    assert list(read_back(tmp_path / "back")[0]) == [name for name in names if name != "dog/b.c.png"]


@pytest.mark.parametrize("kind", KINDS)
def test_existing_destination_needs_overwrite(datasets, tmp_path, kind):
    out = tmp_path / "out"
    export(datasets / "gray", kind, out)
    before = tree(out)
    export(datasets / "font", kind, out, expect=73)
    assert tree(out) == before
    export(datasets / "font", kind, out, "--overwrite")
    assert tree(out) != before and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_folders_are_never_replaced(datasets, tmp_path):
    color(tmp_path / "out", "mine.png", 3)
    export(datasets / "gray", "folder", tmp_path / "out", "--overwrite", expect=73)
    assert (tmp_path / "out" / "mine.png").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_full_disk_leaves_nothing(datasets, tmp_path, kind):
    """A limit on the size of files stands for a full disk."""
    result = subprocess.run(["bash", "-c", f"ulimit -f 1; exec {VALLEY} shard export {datasets / 'font'} --to {kind} --dest {tmp_path / 'out'}"],
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 73, result.stderr
    assert list(tmp_path.iterdir()) == []


def test_killed_export_leaves_no_destination(tmp_path):
    valley("shard", "build", "--source", "NotoColorEmoji.ttf", "--max-images", 800, "--resolution", 128, "--dest", tmp_path / "data",
           "--progress", "none")
    out, draft = tmp_path / "out", tmp_path / ".out.export.tmp"
    with subprocess.Popen([VALLEY, "shard", "export", tmp_path / "data", "--to", "folder", "--dest", out, "--jobs", "1"]) as process:
        while process.poll() is None and len(list(draft.glob("*.png"))) < 20:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL and draft.exists() and not out.exists()
    export(tmp_path / "data", "folder", out)
    assert len(list(out.iterdir())) == 801 and not draft.exists()


def test_export_of_compressed_images_holds_their_pixels(datasets, tmp_path):
    build(datasets / "in", tmp_path / "jpeg", "--storage", "jpeg:90", "--resolution", 8)
    result = run("shard", "export", tmp_path / "jpeg", "--to", "npz", "--dest", tmp_path / "out.npz")
    assert result.returncode == 0 and "another fingerprint" in result.stderr
    build(tmp_path / "out.npz", tmp_path / "raw", "--resolution", 8, "--no-shuffle")
    assert read_back(tmp_path / "raw") == read_back(tmp_path / "jpeg")


def test_unusable_order_of_dataset_json_is_rejected(datasets, tmp_path):
    export(datasets / "gray", "folder", tmp_path / "out")
    meta = json.loads((tmp_path / "out" / "dataset.json").read_text())
    for key, value, message in (("order", meta["order"] + meta["order"][:1], "twice"),
                                ("names", {meta["order"][0]: meta["order"][1]}, "two images have the name")):
        (tmp_path / "out" / "dataset.json").write_text(json.dumps({**meta, key: value}))
        result = run("shard", "build", "--source", tmp_path / "out", "--dest", tmp_path / "back", "--resolution", 8)
        assert result.returncode == 65 and message in result.stderr, result.stderr
