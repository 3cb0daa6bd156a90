"""Folders of images: shards read by h5py are bitwise equal to the same files decoded and resized by Debian's Pillow
(python3-pil)."""

import functools
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from image_shards import build, color, run
from PIL import Image
from valley_program import REPOSITORY, VALLEY, valley

SYSTEM_PYTHON = "/usr/bin/python3"
PEER = pathlib.Path(__file__).with_name("pillow_peer.py")


def pillow(*arguments):
    subprocess.run([SYSTEM_PYTHON, PEER, *map(str, arguments)], check=True, timeout=300)


def shards(folder):
    """name -> (pixels, label, size), of all shards."""
    found = {}
    for file in sorted(folder.glob("shard-*.h5")):
        with h5py.File(file) as shard:
            for row, name in enumerate(shard["names"].asstr()[:]):
                found[name] = (shard["images"][row], int(shard["labels"][row]), tuple(shard["orig_size"][row]))
    return found




def rejects(folder):
    return {line["name"]: line for line in map(json.loads, (folder / "rejects.jsonl").read_text().splitlines())}


def expected(folder, channels=3):
    """name -> bytes, as pillow_peer.py left them."""
    return {path.name.removesuffix(".raw").replace("@", "/"): path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Files of every kind, all of the same size."""
    folder = tmp_path_factory.mktemp("kinds") / "source"
    pillow("make", folder)
    return folder


@pytest.fixture(scope="module")
def decoded(kinds):
    out = kinds.parent / "decoded"
    build(kinds, out, "--transform", "none", "--resolution", "37x29")
    return out


def test_installed_pillow_is_the_documented_version():
    script = "import PIL; print(PIL.__version__)"
    version = subprocess.run([SYSTEM_PYTHON, "-c", script], capture_output=True, text=True, check=True).stdout
    assert version.split(".")[0] in {"9", "10", "11", "12"}, "python3-pil is missing"


@pytest.mark.parametrize("alpha", ["white", "black"])
def test_decoded_pixels_match_pillow(kinds, decoded, tmp_path, alpha):
    out = decoded
    if alpha == "black":
        out = tmp_path / "black"
        build(kinds, out, "--transform", "none", "--resolution", "37x29", "--alpha", "black")
    pillow("read", kinds, tmp_path / "expected", alpha)
    stored = shards(out)
    assert rejects(out) == {}
    wanted = expected(tmp_path / "expected")
    assert stored.keys() == wanted.keys() and len(stored) > 70
    wrong = [name for name, pixels in wanted.items() if stored[name][0].tobytes() != pixels]
    assert wrong == []


def test_stored_size_is_that_of_the_rotated_image(decoded):
    assert {size for _, _, size in shards(decoded).values()} == {(29, 37)}


def test_exif_can_be_ignored(kinds, tmp_path):
    build(kinds / "exif", tmp_path / "out", "--transform", "none", "--resolution", "37x29", "--exif", "ignore")
    stored = shards(tmp_path / "out")
    assert stored["6o.png"][2] == (37, 29) and stored["3o.png"][2] == (29, 37)
    assert stored["3o.png"][0].tobytes() == stored["1o.png"][0].tobytes()


def test_alpha_error_rejects_transparent_images_only(kinds, tmp_path):
    Image.new("RGBA", (37, 29), (1, 2, 3, 255)).save(kinds / "png" / "opaque.png")
    build(kinds / "png", tmp_path / "out", "--transform", "none", "--resolution", "37x29", "--alpha", "error")
    (kinds / "png" / "opaque.png").unlink()
    found = rejects(tmp_path / "out")
    assert {line["reason"] for line in found.values()} == {"transparent"}
    assert {"RGBA.png", "LA.png", "P-16-trns.png"} <= found.keys()
    assert not {"RGB.png", "opaque.png", "P-16.png"} & found.keys()


def test_16_bit_gray_is_converted_by_high_byte(tmp_path):
    """Pillow clips these to 255 when it makes RGB of them."""
    values = np.random.default_rng(0).integers(0, 65536, (29, 37)).astype(np.uint16)
    (tmp_path / "in").mkdir()
    Image.fromarray(values).save(tmp_path / "in" / "deep.png")
    build(tmp_path / "in", tmp_path / "out", "--transform", "none", "--resolution", "37x29", "--channels", "gray")
    assert (shards(tmp_path / "out")["deep.png"][0][:, :, 0] == values >> 8).all()


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes") / "source"
    pillow("shapes", folder)
    return folder


@functools.cache
def mode_of(channels):
    return {"rgb": "RGB", "gray": "L"}[channels]


CASES = [("none", filter_, *size, channels)
         for filter_ in ("lanczos", "bicubic", "bilinear", "box")
         for size, channels in (((16, 16), "rgb"), ((150, 61), "gray"), ((5, 200), "rgb"))]
CASES += [("center-crop", "lanczos", 64, 64, "rgb"), ("center-crop", "box", 300, 300, "gray"),
          ("center-crop-dhariwal", "bicubic", 32, 32, "rgb"), ("center-crop-dhariwal", "bicubic", 9, 9, "gray"),
          ("center-crop-wide", "lanczos", 48, 36, "rgb"), ("center-crop-wide", "lanczos", 33, 20, "gray")]


@pytest.mark.parametrize(("transform", "filter_", "width", "height", "channels"), CASES)
def test_resized_files_match_pillow(shapes, tmp_path, transform, filter_, width, height, channels):
    arguments = [] if transform == "center-crop-dhariwal" else ["--filter", filter_]
    build(shapes, tmp_path / "out", "--transform", transform, "--resolution", f"{width}x{height}", "--channels", channels,
          *arguments)
    pillow("fit", shapes, tmp_path / "expected", transform, filter_, mode_of(channels), width, height)
    stored, wanted = shards(tmp_path / "out"), expected(tmp_path / "expected")
    assert stored.keys() == wanted.keys() and len(wanted) >= 12
    assert [name for name, pixels in wanted.items() if stored[name][0].tobytes() != pixels] == []
    if transform == "center-crop-wide":
        assert {line["reason"] for line in rejects(tmp_path / "out").values()} == {"too small"}
        assert stored.popitem()[1][0].shape[:2] == (width, width)
@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos") / "source"
    pillow("photos", folder, 160, 200)
    return folder


def hashes(folder):
    return (folder / "SHA256SUMS").read_text()


def test_shards_do_not_depend_on_threads_or_file_times(photos, tmp_path):
    sums = set()
    for jobs in (1, 2, 7):
        build(photos, tmp_path / str(jobs), "--resolution", "32", "--shard-images", "64", "--jobs", jobs)
        sums.add(hashes(tmp_path / str(jobs)))
        for path in photos.iterdir():
            os.utime(path, (jobs, jobs))
    assert len(sums) == 1
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "7", check=True)


def test_killed_build_resumes_bitwise_equal(photos, tmp_path):
    arguments = ["--resolution", "128", "--shard-images", "32", "--jobs", "2", "--resume"]
    build(photos, tmp_path / "fresh", *arguments)
    command = [VALLEY, "shard", "build", "--source", photos, "--dest", tmp_path / "killed", "--progress", "none", *arguments,
               "--max-error-rate", "1"]
    draw = random.Random(0)
    kills = 0
    for shard in range(5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = tmp_path / "killed" / f"shard-{shard:05}.h5"
        while process.poll() is None and not wanted.exists():
            time.sleep(0.002)
        time.sleep(draw.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills > 0
    build(photos, tmp_path / "killed", *arguments)
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "fresh")
    assert not list((tmp_path / "killed").glob(".*"))


def test_changed_source_is_rejected_on_resume(photos, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for path in sorted(photos.iterdir())[:80]:
        (source / path.name).write_bytes(path.read_bytes())
    (source / "0070.jpg").write_bytes(b"")
    command = ["shard", "build", "--source", source, "--dest", tmp_path / "out", "--resolution", "16", "--shard-images",
               "32", "--no-shuffle"]
    assert run(*command).returncode == 65  # one of 80 is over the limit: unfinished
    (source / "0070.jpg").write_bytes(b"abc")
    (source / "0001.jpg").unlink()
    color(source, "new.png", 1)
    # Edited without a change of size: only the modification time differs.
    content = bytearray((source / "0002.jpg").read_bytes())
    content[-3] ^= 1
    (source / "0002.jpg").write_bytes(content)
    result = run(*command, "--resume", "--max-error-rate", "1")
    assert result.returncode == 2 and result.stderr.count("error:") == 1
    for part in ("added: 1\n    new.png", "removed: 1\n    0001.jpg", "changed: 2\n    0002.jpg (", "0070.jpg (0 bytes",
                 "--overwrite"):
        assert part in result.stderr, result.stderr
    assert run(*command, "--overwrite", "--max-error-rate", "1").returncode == 0


def test_peek_draws_and_lists_images(tmp_path):
    for number in range(12):
        color(tmp_path / "in", f"{'even' if number % 2 == 0 else 'odd'}/{number:02}.png", 20 * number)
    build(tmp_path / "in", tmp_path / "out", "--resolution", "8", "--no-shuffle")
    listed = json.loads(valley("shard", "peek", tmp_path / "out", "--grid", "4x2", "-o", tmp_path / "p.png", "--json"))
    assert [image["name"] for image in listed["images"]] == [f"even/{n:02}.png" for n in range(0, 12, 2)] + \
        ["odd/01.png", "odd/03.png"]
    sheet = np.asarray(Image.open(tmp_path / "p.png"))
    assert sheet.shape == (2 * 10 + 2, 4 * 10 + 2, 3)
    assert (sheet[0] == 255).all() and (sheet[2:10, 12:20] == (40, 0, 0)).all()
    assert (sheet[12:20, 32:40] == (60, 0, 0)).all()
    text = valley("shard", "peek", tmp_path / "out", "--label", "1", "-o", tmp_path / "p.png")
    assert text.splitlines()[0] == "1,1\t6\todd\todd/01.png" and text.count("\todd\t") == 6
    draws = [valley("shard", "peek", tmp_path / "out", "--grid", "5x1", "-o", tmp_path / "p.png", "--seed", seed)
             for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    refused = run("shard", "peek", tmp_path / "out", "--label", "7", "-o", tmp_path / "p.png")
    assert refused.returncode == 2 and "shard info" in refused.stderr
    assert run("shard", "peek", tmp_path / "in", "-o", tmp_path / "p.png").returncode == 66
    assert run("shard", "peek", tmp_path / "out", "--grid", "0x3", "-o", tmp_path / "p.png").returncode == 2


def test_options_of_other_sources_are_rejected(tmp_path):
    color(tmp_path / "in", "a.png", 1)
    command = ["shard", "build", "--dest", tmp_path / "out", "--source"]
    for option in (["--codepoints", "41"], ["--part", "all"], ["--dataset", "imgs"]):
        result = run(*command, tmp_path / "in", *option)
        assert result.returncode == 2 and f"{option[0]} does not apply to --source" in result.stderr and "is a folder of images" in result.stderr
    for option in (["--labels", "dirs"], ["--exif", "apply"], ["--min-size", "2"], ["--max-pixels", "9"],
                   ["--alpha", "error"]):
        result = run(*command, "NotoColorEmoji.ttf", *option)
        assert result.returncode == 2 and "does not apply" in result.stderr and "is a font" in result.stderr
    for arguments in (["--transform", "center-crop-wide"], ["--labels", "csv:"], ["--labels", "json:"],
                      ["--transform", "center-crop-dhariwal", "--filter", "box"],
                      ["--transform", "center-crop-dhariwal", "--resolution", "8x9"]):
        assert run(*command, tmp_path / "in", *arguments).returncode == 2
    (tmp_path / "empty").mkdir()
    empty = run(*command, tmp_path / "empty")
    assert empty.returncode == 65 and ".webp" in empty.stderr
    assert run(*command, tmp_path / "in", "--labels", f"json:{tmp_path / 'no.json'}").returncode == 66
    assert not (tmp_path / "out").exists()


def test_min_size_and_on_error_options(tmp_path):
    for side in (7, 8, 9):
        color(tmp_path / "in", f"{side}.png", 1, (side, 20))
    build(tmp_path / "in", tmp_path / "out", "--resolution", "4", "--min-size", "8")
    (line,) = rejects(tmp_path / "out").values()
    assert (line["name"], line["reason"]) == ("7.png", "too small") and "--min-size is 8" in line["detail"]
    result = run("shard", "build", "--source", tmp_path / "in", "--dest", tmp_path / "fail", "--resolution", "4",
                 "--min-size", "8", "--max-error-rate", "1", "--on-error", "fail")
    assert result.returncode == 65 and result.stderr.count("error:") == 1 and "7.png: too small" in result.stderr
    build(tmp_path / "in", tmp_path / "fail", "--resolution", "4", "--min-size", "8", "--resume")
    assert hashes(tmp_path / "fail") == hashes(tmp_path / "out")


def test_every_reason_of_a_reject_is_documented():
    text = (REPOSITORY / "docs" / "sharding.md").read_text()
    documented = {reason for row in re.findall(r"^\| (`[^|]*) \|", text.split("## Rejects")[1].split("\n## ")[0], re.MULTILINE)
                  for reason in re.findall(r"`([^`]+)`", row)}
    given = set()
    for layer in ("image", "sources"):
        for path in sorted((REPOSITORY / "src" / layer).glob("*.cpp")):
            # Reject{"reason", add(std::move(path), {"reason", fail_with("reason", return {"reason", and the names that reason_of returns.
            given |= set(re.findall(r'(?:Reject|return |path\), )\{"([a-z ]+)",|fail_with\("([a-z ]+)"', path.read_text()))
            if path.name.endswith("_decoder.cpp"):
                given |= {(reason,) for reason in re.findall(r'return "([a-z]+)";', path.read_text())}
    given = {reason for groups in given for reason in groups if reason}
    assert len(given) > 10
    assert given <= documented, given - documented
    assert documented <= given, documented - given
