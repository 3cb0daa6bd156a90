"""Data sets with `--storage jpeg:Q` and `keep`, read by h5py and Pillow."""

import hashlib
import io
import json
import random
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from image_shards import build, run
from PIL import Image
from valley_program import REPOSITORY, VALLEY, stats, train, valley

SIDE = 32


def photo(size, seed, mode="RGB"):
    """Smooth colors with edges."""
    draw = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    cells = draw.integers(0, 256, (max(2, size[1] // 16), max(2, size[0] // 16), bands), dtype=np.uint8)
    image = Image.fromarray(cells if bands > 1 else cells[:, :, 0], mode).resize(size, Image.Resampling.BICUBIC)
    image.paste(tuple(draw.integers(0, 256, bands).tolist()), (size[0] // 3, size[1] // 4, size[0] // 2, size[1] // 2))
    return image


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Files of all formats: EXIF orientations, gray, CMYK, palettes, alpha, progressive, WebP, 8 of each and one bad file."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(8):
        size = (70 + 9 * i, 90 - 3 * i)
        photo(size, i).save(folder / f"turned-{i}.jpg", quality=92, exif=orientation(i + 1))
        photo(size, 10 + i, "L").save(folder / f"gray-{i}.jpg", progressive=i % 2 == 0)
        photo(size, 20 + i, "CMYK").save(folder / f"ink-{i}.jpg")
        photo(size, 30 + i, "RGBA").save(folder / f"alpha-{i}.png")
        photo(size, 40 + i).quantize(20).save(folder / f"palette-{i}.png")
        photo(size, 50 + i).save(folder / f"web-{i}.webp", lossless=i % 2 == 0, exif=orientation(6))
    (folder / "bad.jpg").write_bytes((folder / "gray-0.jpg").read_bytes()[:300])
    return folder


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def records(folder):
    """name -> (record, codec) in the order of the data set, as h5py sees them."""
    found = {}
    for path in sorted(folder.glob("shard-*.h5")):
        with h5py.File(path) as shard:
            data, offsets = shard["encoded/data"][:].tobytes(), shard["encoded/offsets"][:].tolist()
            assert "images" not in shard and shard["encoded/data"].chunks is None
            for row, name in enumerate(shard["names"].asstr()[:]):
                found[name] = data[offsets[row] : offsets[row + 1]], int(shard["encoded/codec"][row])
    return found


def drawn(folder, out):
    """The pixels of the first 64 images, as `peek` draws them."""
    valley("shard", "peek", folder, "-o", out)
    return np.asarray(Image.open(out))


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


GEOMETRIES = {
    "center-crop": ["--resolution", SIDE],
    "gray": ["--resolution", SIDE, "--channels", "gray", "--filter", "box"],
    "pad on black": ["--resolution", "40x24", "--transform", "pad", "--alpha", "black"],
    "stretched, not turned": ["--resolution", SIDE, "--transform", "none", "--exif", "ignore", "--filter", "bicubic"],
    "wide": ["--resolution", "40x24", "--transform", "center-crop-wide"],
    "dhariwal": ["--resolution", SIDE, "--transform", "center-crop-dhariwal"],
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_kept_files_give_the_pixels_of_a_raw_build(photos, tmp_path, geometry):
    for storage in ("raw", "keep"):
        build(photos, tmp_path / storage, *GEOMETRIES[geometry], "--storage", storage)
    raw, keep = manifest(tmp_path / "raw"), manifest(tmp_path / "keep")
    assert keep["storage"] == "keep" and keep["images"] == raw["images"] >= 40
    assert (drawn(tmp_path / "raw", tmp_path / "raw.png") == drawn(tmp_path / "keep", tmp_path / "keep.png")).all()
    for field in ("mean", "deviation", "rejects", "class_histogram"):
        assert keep[field] == raw[field]
    assert (tmp_path / "keep" / "rejects.jsonl").read_text() == (tmp_path / "raw" / "rejects.jsonl").read_text()
    valley("shard", "verify", tmp_path / "keep", "--deep")


def test_kept_records_are_the_files(photos, tmp_path):
    build(photos, tmp_path / "keep", "--resolution", SIDE, "--shard-images", 32, "--storage", "keep")
    found = records(tmp_path / "keep")
    assert len(found) == 48
    for name, (record, codec) in found.items():
        assert record == (photos / name).read_bytes(), name
        assert codec == {"jpg": 1, "png": 2, "webp": 3}[name.rsplit(".")[-1]]
    with h5py.File(tmp_path / "keep" / "index.h5") as index:
        assert set(index) == {"labels", "names", "crc32c", "orig_size"}
        names = index["names"].asstr()[:].tolist()
        assert names == list(found)
        for row in (0, 47):
            assert index["crc32c"][row] == crc32c(found[names[row]][0])
    first = manifest(tmp_path / "keep")["shards"][0]
    data = (tmp_path / "keep" / first["file"]).read_bytes()
    end = first["data_offset"] + first["data_bytes"]
    assert hashlib.sha256(data[: first["data_offset"]] + data[end:]).hexdigest() == first["meta_sha256"]
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "keep", check=True)


@pytest.mark.parametrize("channels", ["rgb", "gray"])
def test_jpeg_records_decode_in_pillow_to_what_readers_get(photos, tmp_path, channels):
    build(photos, tmp_path / "jpeg", "--resolution", SIDE, "--channels", channels, "--storage", "jpeg:90")
    image = drawn(tmp_path / "jpeg", tmp_path / "jpeg.png")
    same = io.BytesIO()
    Image.new("RGB" if channels == "rgb" else "L", (SIDE, SIDE)).save(same, "JPEG", quality=90)
    expected = Image.open(same)
    for i, (record, codec) in enumerate(records(tmp_path / "jpeg").values()):
        decoded = Image.open(io.BytesIO(record))
        assert codec == 1 and decoded.quantization == expected.quantization and decoded.layer == expected.layer
        top, left = 2 + i // 8 * (SIDE + 2), 2 + i % 8 * (SIDE + 2)
        assert (np.asarray(decoded) == image[top : top + SIDE, left : left + SIDE]).all()
    valley("shard", "verify", tmp_path / "jpeg", "--deep")


def test_jpeg_95_takes_a_fifth_of_raw_photos(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(40):
        photo((512, 384), i).save(tmp_path / "in" / f"{i}.png")
    for storage in ("raw", "jpeg:95"):
        build(tmp_path / "in", tmp_path / storage, "--resolution", 256, "--storage", storage)
    raw, jpeg = (sum(shard["bytes"] for shard in manifest(tmp_path / storage)["shards"]) for storage in ("raw", "jpeg:95"))
    assert raw > 40 * 256 * 256 * 3 and jpeg < raw / 5
    assert np.abs(np.subtract(manifest(tmp_path / "raw")["mean"], manifest(tmp_path / "jpeg:95")["mean"])).max() < 1


@pytest.mark.parametrize("storage", ["jpeg:95", "keep"])
def test_bytes_do_not_depend_on_jobs_or_kills(tmp_path, storage):
    (tmp_path / "in").mkdir()
    for i in range(150):
        photo((300, 300), i).save(tmp_path / "in" / f"{i}.jpg", quality=95)
    arguments = ["--source", tmp_path / "in", "--resolution", 64, "--shard-images", 32, "--storage", storage, "--progress", "none"]
    for jobs in (1, 4):
        valley("shard", "build", *arguments, "--dest", tmp_path / f"jobs-{jobs}", "--jobs", jobs)
    kills, draw = 0, random.Random(1)
    for attempt in range(12):
        process = subprocess.Popen([VALLEY, "shard", "build", *map(str, arguments), "--dest", tmp_path / "killed", "--resume"],
                                   stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.1, 0.3 + 0.15 * attempt))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
    valley("shard", "build", *arguments, "--dest", tmp_path / "killed", "--resume")
    assert kills > 0
    assert hashes(tmp_path / "jobs-1") == hashes(tmp_path / "jobs-4") == hashes(tmp_path / "killed")


def test_verify_names_the_row_of_a_damaged_record(photos, tmp_path):
    build(photos, tmp_path / "keep", "--resolution", SIDE, "--shard-images", 32, "--storage", "keep")
    path = tmp_path / "keep" / "shard-00001.h5"
    with h5py.File(path) as shard:
        at = manifest(tmp_path / "keep")["shards"][1]["data_offset"] + int(shard["encoded/offsets"][5])
    data = bytearray(path.read_bytes())
    data[at + 20] ^= 1
    path.write_bytes(data)
    (problem,) = json.loads(valley("shard", "verify", tmp_path / "keep", "--json", expect=65))["problems"]
    assert (problem["file"], problem["row"]) == ("shard-00001.h5", 5) and "CRC32C" in problem["what"]


def test_sources_without_files_reject_keep(tmp_path):
    result = run("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600", "--dest", tmp_path / "x", "--storage", "keep")
    assert result.returncode == 2 and "--storage keep" in result.stderr and "jpeg:95" in result.stderr
    for wrong in ("jpeg:0", "jpeg", "png"):
        result = run("shard", "build", "--source", "NotoColorEmoji.ttf", "--dest", tmp_path / "x", "--storage", wrong)
        assert result.returncode == 2 and wrong in result.stderr


def test_copies_keep_records_unchanged(photos, tmp_path):
    for storage in ("keep", "jpeg:90"):
        origin = tmp_path / storage
        build(photos, origin, "--resolution", SIDE, "--transform", "pad", "--storage", storage)
        valley("shard", "reshard", origin, "--shard-images", 32, "--dest", tmp_path / f"{storage}-small")
        assert records(tmp_path / f"{storage}-small") == records(origin)
        assert manifest(tmp_path / f"{storage}-small")["fingerprint"] == manifest(origin)["fingerprint"]
        assert (drawn(tmp_path / f"{storage}-small", tmp_path / "a.png") == drawn(origin, tmp_path / "b.png")).all()
        valley("shard", "verify", tmp_path / f"{storage}-small", "--deep")
        valley("shard", "reshard", origin, "--storage", "raw", "--dest", tmp_path / f"{storage}-raw")
        assert (drawn(tmp_path / f"{storage}-raw", tmp_path / "c.png") == drawn(origin, tmp_path / "d.png")).all()
        valley("shard", "reshard", origin, "--resolution", 16, "--dest", tmp_path / f"{storage}-16")
        assert manifest(tmp_path / f"{storage}-16")["storage"] == "raw"
        valley("shard", "merge", origin, tmp_path / f"{storage}-small", "--dest", tmp_path / f"{storage}-twice")
        assert [r for r, _ in records(tmp_path / f"{storage}-twice").values()] == 2 * [r for r, _ in records(origin).values()]
    valley("shard", "merge", tmp_path / "keep", tmp_path / "jpeg:90", "--dest", tmp_path / "mixed")
    assert manifest(tmp_path / "mixed")["storage"] == "raw"
    for arguments in (["jpeg:90"], ["keep", "--resolution", 16]):
        result = run("shard", "reshard", tmp_path / arguments[0], *arguments[1:], "--storage", "keep", "--dest", tmp_path / "none")
        assert result.returncode == 2 and "--storage keep" in result.stderr


def test_training_on_kept_files_has_the_losses_of_raw_images(photos, tmp_path):
    for storage in ("raw", "keep"):
        build(photos, tmp_path / storage, "--resolution", SIDE, "--storage", storage)
    raw = train(tmp_path / "a", tmp_path / "raw", "train.steps=6")
    keep = train(tmp_path / "b", tmp_path / "keep", "train.steps=6", "data.decode_threads=3")
    assert len(stats(keep)) == 6
    for step, line in stats(keep).items():
        for name in ("loss/D", "loss/G"):
            assert line[name] == stats(raw)[step][name]


def test_documented_reader_decodes_records(photos, tmp_path):
    build(photos, tmp_path / "jpeg", "--resolution", SIDE, "--storage", "jpeg:90")
    example = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "shard-format.md").read_text(), re.DOTALL)[1]
    (tmp_path / "read_encoded.py").write_text(example)
    result = subprocess.run([sys.executable, tmp_path / "read_encoded.py", tmp_path / "jpeg"], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == f"48 images, the last of ({SIDE}, {SIDE}, 3)"
