"""Data sets of `valley shard` read by h5py, NumPy, sha256sum and Pillow.

Needs the program `valley` and `resample_tool` of the build folder (environment VALLEY_BUILD, default: build/), and the
Debian package fonts-noto-color-emoji.
"""

import hashlib
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from PIL import Image

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build"))
VALLEY = BUILD / "valley"
RESAMPLE_TOOL = BUILD / "tests" / "image" / "resample_tool"
FACES = (
    "2639-263A,1F600-1F637,1F641-1F644,1F910-1F917,1F920-1F925,1F927-1F92F,"
    "1F970-1F976,1F978-1F97A,1F9D0,1FAE0-1FAE8"
)
FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}


def shard(*arguments, code=0):
    result = subprocess.run([VALLEY, "shard", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def build(destination, *arguments, codepoints=FACES, code=0):
    return shard("build", "--source", "NotoColorEmoji.ttf", "--dest", destination, "--codepoints", codepoints,
                 "--progress", "none", *arguments, code=code)


def hashes(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    directory = tmp_path_factory.mktemp("shards") / "faces"
    build(directory, "--resolution", 64, "--shard-images", 32)
    return directory


def test_quickstart_has_105_faces(faces):
    manifest = json.loads((faces / "manifest.json").read_text())
    assert manifest["images"] == 105
    assert [s["n"] for s in manifest["shards"]] == [32, 32, 32, 9]
    assert (faces / "rejects.jsonl").read_text() == ""


def test_h5py_contents_match_the_manifest(faces):
    manifest = json.loads((faces / "manifest.json").read_text())
    images = []
    identity = hashlib.sha256()
    for number, entry in enumerate(manifest["shards"]):
        path = faces / entry["file"]
        data = path.read_bytes()
        end = entry["data_offset"] + entry["n"] * 64 * 64 * 3
        assert len(data) == entry["bytes"]
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert hashlib.sha256(data[: entry["data_offset"]] + data[end:]).hexdigest() == entry["meta_sha256"]
        with h5py.File(path) as file:
            assert file.attrs["complete"] == 1
            assert file.attrs["format"] == b"valley-shard"
            assert file.attrs["shard_index"] == number
            assert file.attrs["global_offset"] == entry["global_offset"]
            assert list(file.attrs["resolution"]) == [64, 64]
            assert json.loads(file.attrs["params_json"]) == manifest["parameters"]
            assert file["images"].id.get_offset() == entry["data_offset"]
            assert file["images"].chunks is None and file["images"].dtype == np.uint8
            assert (file["orig_size"][:] == [128, 136]).all()
            for name, label, crc in zip(file["names"].asstr()[:], file["labels"][:], file["crc32c"][:]):
                identity.update(name.encode() + b"\0" + struct.pack("<qI", label, crc))
            images.append(file["images"][:])
        assert images[-1].tobytes() == data[entry["data_offset"] : end]
    pixels = np.concatenate(images).reshape(-1, 3).astype(np.float64)
    assert identity.hexdigest() == manifest["fingerprint"]
    np.testing.assert_allclose(pixels.mean(0), manifest["mean"], rtol=1e-12)
    np.testing.assert_allclose(pixels.std(0), manifest["deviation"], rtol=1e-9)


def test_index_presents_all_shards_as_one_data_set(faces):
    with h5py.File(faces / "index.h5") as index:
        assert index["images"].is_virtual
        shards = [h5py.File(p) for p in sorted(faces.glob("shard-*.h5"))]
        for name in ("images", "labels", "names", "crc32c", "orig_size"):
            assert (index[name][:] == np.concatenate([s[name][:] for s in shards])).all(), name
        assert sorted(index["names"].asstr()[:])[-1] == "U+263A"


def test_manifest_hashes_match_sha256sum(faces):
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=faces, check=True)


def test_documented_loader_example_runs(faces, tmp_path):
    text = (REPOSITORY / "docs" / "shard-format.md").read_text()
    example = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    script = tmp_path / "read_shards.py"
    script.write_text(example)
    result = subprocess.run([sys.executable, script, faces], capture_output=True, text=True, check=True, cwd=tmp_path)
    first, second = result.stdout.splitlines()
    assert first.startswith("(105, 64, 64, 3) uint8 U+")
    with h5py.File(faces / "index.h5") as index:
        assert second == f"{64 * 64 * 3} {index['images'][104].astype(int).sum() / (64 * 64 * 3)}"


def test_rendered_emoji_match_pillow(faces):
    """The same bitmaps, drawn by Pillow's FreeType, cropped and resized: only the blending may round differently."""
    from PIL import ImageDraw, ImageFont

    found = subprocess.run(["find", "/usr/share/fonts", "-name", "NotoColorEmoji.ttf"], capture_output=True, text=True)
    font = ImageFont.truetype(found.stdout.split()[0], 109)
    with h5py.File(faces / "index.h5") as index:
        names = list(index["names"].asstr()[:])
        for text in ("\U0001f600", "\U0001f641", "\U0001f9d0"):
            canvas = Image.new("RGB", (136, 128), "white")
            box = ImageDraw.Draw(canvas).textbbox((0, 0), text, font=font, embedded_color=True)
            ImageDraw.Draw(canvas).text((-box[0], -box[1]), text, font=font, embedded_color=True)
            expected = canvas.crop((4, 0, 132, 128)).resize((64, 64), Image.Resampling.LANCZOS)
            stored = index["images"][names.index(f"U+{ord(text):04X}")]
            difference = np.abs(np.asarray(expected).astype(int) - stored)
            assert difference.max() <= 2, (text, difference.max())


def resample(tool, image, height, width, name):
    channels = image.shape[2]
    header = f"{name} {image.shape[0]} {image.shape[1]} {channels} {height} {width}\n"
    tool.stdin.write(header.encode() + image.tobytes())
    tool.stdin.flush()
    return np.frombuffer(tool.stdout.read(height * width * channels), np.uint8).reshape(height, width, channels)


@pytest.fixture
def tool():
    process = subprocess.Popen([RESAMPLE_TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.stdin.close()
    assert process.wait(10) == 0


def pillow(image, height, width, name):
    """Width, then height: the order of Pillow 9.4, which later versions keep for some shapes only."""
    picture = Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])
    picture = picture.resize((width, image.shape[0]), FILTERS[name]).resize((width, height), FILTERS[name])
    return np.asarray(picture).reshape(height, width, image.shape[2])


@pytest.mark.parametrize("name", FILTERS)
def test_resampling_equals_pillow_bit_for_bit(tool, name):
    draw = np.random.default_rng(len(name))
    for _ in range(250):
        height, width, to_height, to_width = draw.integers(1, draw.choice([4, 40, 300]), 4)
        shape = (height, width, draw.choice([1, 3]))
        image = draw.integers(0, 256, shape, dtype=np.uint8)
        if draw.random() < 0.3:
            image = (image > 127).astype(np.uint8) * 255  # overshoots
        expected = pillow(image, to_height, to_width, name)
        assert (resample(tool, image, to_height, to_width, name) == expected).all(), (shape, to_height, to_width)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("sizes", [(128, 64), (128, 256), (1024, 256), (64, 512)])
def test_square_resize_equals_pillow(tool, name, sizes):
    image = np.random.default_rng(sizes[0]).integers(0, 256, (sizes[0], sizes[0], 3), dtype=np.uint8)
    expected = Image.fromarray(image).resize((sizes[1], sizes[1]), FILTERS[name])
    assert (resample(tool, image, sizes[1], sizes[1], name) == np.asarray(expected)).all()


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path):
    for jobs in (1, 2, 7):
        build(tmp_path / str(jobs), "--resolution", 32, "--shard-images", 64, "--jobs", jobs)
    assert hashes(tmp_path / "1") == hashes(tmp_path / "2") == hashes(tmp_path / "7")


def test_killed_builds_resume_bitwise_equal(tmp_path):
    arguments = ["--resolution", 96, "--shard-images", 32, "--resume"]
    build(tmp_path / "fresh", *arguments)
    command = [VALLEY, "shard", "build", "--source", "NotoColorEmoji.ttf", "--dest", tmp_path / "killed",
               "--codepoints", FACES, "--progress", "none", *map(str, arguments)]
    draw = random.Random(0)
    kills = 0
    for attempt in range(12):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.1, 0.2 + 0.2 * attempt))  # the start of the program takes part of it
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
    build(tmp_path / "killed", *arguments)
    assert kills > 0
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "fresh")


def test_codepoint_missing_in_font_is_listed_and_counted(tmp_path):
    # 105 faces and one private code point: 0.94 % are rejected, under the default limit.
    command = ["build", "--source", "NotoColorEmoji.ttf", "--resolution", 16, "--progress", "none", "--json", "--dest"]
    result = shard(*command, tmp_path / "set", "--codepoints", FACES + ",E000")
    assert json.loads(result.stdout)["rejects"] == {"no glyph": 1}
    assert "1 of 106 images were rejected" in result.stderr
    (line,) = (tmp_path / "set" / "rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["name"] == "U+E000" and json.loads(line)["reason"] == "no glyph"
    refused = shard(*command, tmp_path / "few", "--codepoints", "1F600,E000", code=65)
    assert "--max-error-rate" in refused.stderr and "no glyph: 1" in refused.stderr


def test_verify_names_shard_and_row(tmp_path):
    build(tmp_path / "set", "--resolution", 16, "--shard-images", 32)
    assert json.loads(shard("verify", tmp_path / "set", "--deep", "--json").stdout)["ok"]
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    path = tmp_path / "set" / "shard-00001.h5"
    data = bytearray(path.read_bytes())
    data[manifest["shards"][1]["data_offset"] + 7 * 768 + 5] ^= 1
    path.write_bytes(data)
    report = shard("verify", tmp_path / "set", code=65)
    assert "shard-00001.h5 row 7" in report.stdout
    data[3] ^= 1
    path.write_bytes(data)
    (problem,) = json.loads(shard("verify", tmp_path / "set", "--json", code=65).stdout)["problems"]
    assert problem["file"] == "shard-00001.h5" and problem["row"] is None and "metadata" in problem["what"]


def test_info_and_dry_run_count_images(faces, tmp_path):
    info = json.loads(shard("info", faces, "--json").stdout)
    assert info["images"] == 105 and info["shards"] == 4
    assert "105 of 64x64x3" in shard("info", faces).stdout
    plan = json.loads(build(tmp_path / "none", "--resolution", "32x16", "--dry-run", "--json").stdout)
    assert plan["images_at_most"] == 105 and plan["pixel_bytes_at_most"] == 105 * 32 * 16 * 3
    assert not (tmp_path / "none").exists()


def test_errors_have_their_exit_codes(faces, tmp_path):
    assert "--overwrite" in build(faces, "--resolution", 64, code=73).stderr
    assert "filter" in build(faces, "--resolution", 64, "--shard-images", 32, "--filter", "box", "--resume", code=2).stderr
    missing = shard("build", "--source", "NoSuchFont.ttf", "--dest", tmp_path / "x", code=66).stderr
    assert "/usr/share/fonts" in missing
    shard("build", "--source", REPOSITORY / "README.md" if (REPOSITORY / "README.md").exists() else __file__,
          "--dest", tmp_path / "x", code=65)
    build(tmp_path / "x", "--resolution", "0", code=2)
    build(tmp_path / "x", "--filter", "nearest", code=2)
    assert '"zz"' in build(tmp_path / "x", codepoints="41,zz", code=2).stderr
    assert "--codepoints" in build(tmp_path / "x", codepoints="", code=2).stderr
    shard("info", tmp_path / "x", code=66)
    shard("verify", tmp_path / "x", code=66)
