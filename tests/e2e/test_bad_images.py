"""Broken or hostile files and files that are not images: each is rejected by name with a reason, within limits of time and
memory, and all other files are stored."""

import io
import json
import os
import socket
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image
from program import DATA, PATIENCE, VALLEY, measured

MOST_SECONDS = 2  # of the processors, beyond a build without bad files
MOST_MEMORY = 64 << 20  # likewise; how much of the libraries is resident varies
MOST_IN_ALL = 512 << 20  # bytes, with the libraries that every command loads


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(mode="RGB", size=(96, 80)):
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (size[1] // 8, size[0] // 8, bands), dtype=np.uint8)
    return Image.fromarray(values.squeeze()).resize(size, Image.Resampling.BICUBIC)


def chunk(kind, data, crc=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def png(width, height, chunks=b"", rows=b"", color=2):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)) + chunks +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def with_wrong_crc(file, kind):
    """Changes the last byte of the CRC of the first such chunk."""
    at = file.index(kind)
    end = at + 8 + struct.unpack(">I", file[at - 4:at])[0]
    return file[:end - 1] + bytes([file[end - 1] ^ 1]) + file[end:]


def huge_jpeg():
    file = encoded(noise(), "JPEG")
    at = file.index(b"\xff\xc0") + 5
    return file[:at] + struct.pack(">HH", 65500, 65500) + file[at + 4:]


def huge_webp(canvas):
    """VP8X declares a size, but a smaller image follows."""
    picture = encoded(noise(), "WEBP", lossless=True)[12:]
    extended = b"VP8X" + struct.pack("<II", 10, 0) + 2 * struct.pack("<I", canvas - 1)[:3]
    return b"RIFF" + struct.pack("<I", 4 + len(extended + picture)) + b"WEBP" + extended + picture


def repeated_scan(file, times):
    """Repeats the last scan many times."""
    start = file.rindex(b"\xff\xda")
    return file[:start] + file[start:-2] * times + b"\xff\xd9"


def sequential_scans(times):
    """A valid gray baseline file may repeat its scan, and libjpeg decodes each."""
    file = encoded(Image.new("RGB", (64, 64)), "JPEG", subsampling=0)
    start = file.index(b"\xff\xda")
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + b"\x28" * 48  # codes of a uniform image
    return file[:start] + scan * times + b"\xff\xd9"


def progressive_jpeg(size=(96, 80), flat=False):
    return encoded(Image.new("RGB", size) if flat else noise(size=size), "JPEG", progressive=True)


def bomb(kind):
    """A chunk of a few hundred kilobytes that inflates to as many megabytes."""
    packed = zlib.compress(bytes(256 << 20), 9)
    name = {b"iCCP": b"profile\0\0", b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0"}[kind]
    return png(16, 16, chunk(kind, name + packed), (b"\0" + bytes(48)) * 16)


def profile_chunk(text):
    """A text chunk that may contain the orientation."""
    return chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text, 9))


def files():
    """name -> (content, reason; None: it is stored)."""
    jpeg, webp = encoded(noise(), "JPEG"), encoded(noise(), "WEBP")
    picture = encoded(noise(), "PNG")
    rows = (b"\0" + bytes(48)) * 16
    return {
        "jpeg-truncated-in-header.jpg": (jpeg[:100], "truncated"),
        "jpeg-truncated.jpg": (jpeg[:len(jpeg) // 2], "truncated"),
        "jpeg-truncated-progressive.jpg": (progressive_jpeg()[:-200], "truncated"),
        "jpeg-without-end.jpg": (jpeg[:-2], "truncated"),
        "jpeg-half-then-end.jpg": (jpeg[:len(jpeg) // 2] + b"\xff\xd9", "damaged"),
        "jpeg-huge.jpg": (huge_jpeg(), "too large"),
        "jpeg-80000-scans.jpg": (repeated_scan(progressive_jpeg((1000, 1000), flat=True), 80_000), "damaged"),
        "jpeg-80000-sequential-scans.jpg": (sequential_scans(80_000), "damaged"),
        "jpeg-trailing-garbage.jpg": (jpeg + b"\0garbage" * 1000, None),
        "jpeg-two-in-one.jpg": (jpeg + jpeg, None),
        "png-truncated.png": (picture[:len(picture) // 2], "truncated"),
        "png-without-end.png": (picture[:-12], "truncated"),
        "png-huge.png": (png(65500, 65500), "too large"),
        "png-long.png": (png(1, 2_000_000_000), "too large"),
        "png-of-nothing.png": (png(0, 16), "damaged"),
        "png-wrong-crc-ihdr.png": (with_wrong_crc(picture, b"IHDR"), "damaged"),
        "png-wrong-crc-idat.png": (with_wrong_crc(picture, b"IDAT"), "damaged"),
        "png-wrong-crc-trns.png": (with_wrong_crc(encoded(noise(), "PNG", transparency=(0, 0, 0)), b"tRNS"), "damaged"),
        "png-wrong-crc-text.png": (png(16, 16, chunk(b"tEXt", b"Comment\0x", 7), rows), None),
        "png-too-few-rows.png": (png(16, 16, rows=rows[:-49]), "damaged"),
        "png-unknown-critical.png": (png(16, 16, chunk(b"ABCD", b""), rows), "damaged"),
        "png-bomb-iccp.png": (bomb(b"iCCP"), None),
        "png-bomb-ztxt.png": (bomb(b"zTXt"), None),
        "png-bomb-itxt.png": (bomb(b"iTXt"), None),
        "png-bomb-profile.png": (png(16, 16, 2000 * profile_chunk(bytes(1 << 20)), rows), None),
        "png-200000-profiles.png": (png(16, 16, 200_000 * profile_chunk(b"x"), rows), None),
        "png-bomb-pixels.png": (png(65500, 65500, rows=bytes(64 << 20)), "too large"),
        "webp-truncated.webp": (webp[:len(webp) // 2], "truncated"),
        "webp-huge.webp": (huge_webp(1 << 24), "damaged"),
        "webp-header-only.webp": (webp[:20], "truncated"),
        "webp-lies-about-its-size.webp": (huge_webp(200), "damaged"),
        "empty.png": (b"", "empty file"),
        "text.jpg": (b"these are not pixels\n", "not an image"),
        "gif.png": (encoded(noise("L"), "GIF"), "not an image"),
        "png-by-content.jpg": (picture, None),
        "webp-by-content.PNG": (webp, None),
    }


FILES = files()


def build(source, destination, *arguments):
    """Time and memory of a build."""
    command = [VALLEY, "shard", "build", "--source", source, "--dest", destination, "--resolution", "16", "--progress",
               "none", *map(str, arguments)]
    return measured(command, destination.parent)


def rejects(folder):
    return {line["name"]: line for line in map(json.loads, (folder / "rejects.jsonl").read_text().splitlines())}


@pytest.fixture(scope="module")
def nothing_bad(tmp_path_factory):
    """Time and memory of a build of one valid image."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "in").mkdir()
    noise().save(folder / "in" / "good.png")
    return {jobs: build(folder / "in", folder / f"out-{jobs}", "--jobs", jobs) for jobs in (1, 2)}


@pytest.mark.parametrize("name", FILES)
def test_each_bad_file_is_named_within_time_and_memory_limits(tmp_path, nothing_bad, name):
    content, reason = FILES[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)
    noise().save(tmp_path / "in" / "good.png")
    jobs = 1 + len(name) % 2
    cost = build(tmp_path / "in", tmp_path / "out", "--max-error-rate", 0.5, "--jobs", jobs)
    assert cost.code == 0, cost.stderr
    found = {name: line["reason"] for name, line in rejects(tmp_path / "out").items()}
    assert found == ({name: reason} if reason else {})
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["images"] == (1 if reason else 2)
    assert cost.seconds < nothing_bad[jobs].seconds + MOST_SECONDS
    assert cost.memory < nothing_bad[jobs].memory + MOST_MEMORY
    assert cost.memory < MOST_IN_ALL


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """All bad files, things that are not files, and 20 valid images in two class folders."""
    folder = tmp_path_factory.mktemp("zoo") / "in"
    for number in range(20):
        path = folder / ("even" if number % 2 == 0 else "odd") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(size=(40 + number, 50)).save(path)
    bad = folder / "odd"
    for name, (content, _) in FILES.items():
        (bad / name).write_bytes(content)
    os.mkfifo(bad / "pipe.png")
    (bad / "device.png").symlink_to("/dev/zero")
    here = os.getcwd()
    os.chdir(bad)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
    os.chdir(here)
    (bad / "folder.png").mkdir()
    (bad / "nowhere.png").symlink_to("no such file")
    (bad / "up").symlink_to("..")
    (bad / "linked.png").symlink_to("01.png")
    with open(os.fsencode(bad) + b"/latin-\xe4.png", "wb") as file:
        file.write(encoded(noise(), "PNG"))
    (bad / "new\nline.png").write_bytes(b"")
    (bad / ".hidden.png").write_bytes(b"")
    (bad / "Thumbs.db").write_bytes(b"")
    return folder


ODD = {"odd/pipe.png": "not a regular file", "odd/device.png": "not a regular file", "odd/socket.png": "not a regular file",
       "odd/folder.png": "not a regular file", "odd/nowhere.png": "cannot be read", "odd/new\\x0Aline.png": "empty file"}


def test_shards_are_bitwise_equal_for_any_number_of_threads(zoo, tmp_path):
    sums = set()
    for jobs in (1, 2, 7):
        cost = build(zoo, tmp_path / str(jobs), "--max-error-rate", 1, "--jobs", jobs)
        assert cost.code == 0, cost.stderr
        sums.add((tmp_path / str(jobs) / "SHA256SUMS").read_text())
    assert len(sums) == 1
    for note in ("1 file is skipped, whose name does not end like that of an image (.db: 1)", "1 hidden entry is skipped",
                 "1 symbolic link leads to a folder that is listed already, such as odd/up: skipped"):
        assert cost.stderr.count(note) == 1, cost.stderr
    wanted = ODD | {f"odd/{name}": reason for name, (_, reason) in FILES.items() if reason}
    assert {name: line["reason"] for name, line in rejects(tmp_path / "7").items()} == wanted
    stored = 22 + sum(reason is None for _, reason in FILES.values())  # with the link and the Latin name
    manifest = json.loads((tmp_path / "7" / "manifest.json").read_text())
    assert manifest["images"] == stored and manifest["rejects"] == {
        reason: list(wanted.values()).count(reason) for reason in set(wanted.values())}
    assert f"{len(wanted)} of {len(wanted) + stored} images were rejected" in cost.stderr
    for name in (tmp_path / "7").glob("shard-*.h5"):
        assert b"odd/latin-\\xE4.png" in name.read_bytes()


def test_build_with_over_one_percent_rejects_fails_with_one_message(zoo, tmp_path):
    cost = build(zoo, tmp_path / "out")
    assert cost.code == DATA
    assert cost.stderr.count("error:") == 1 and "--max-error-rate" in cost.stderr and "rejects.jsonl" in cost.stderr
    assert not (tmp_path / "out" / "SHA256SUMS").exists()
    cost = build(zoo, tmp_path / "out", "--resume", "--max-error-rate", 1)
    assert cost.code == 0, cost.stderr


def test_large_images_share_bounded_memory(tmp_path, nothing_bad):
    """Four images of 42 million pixels, 126 MB each, on two threads. The bound of 210 MB leaves room for one at a time."""
    (tmp_path / "in").mkdir()
    width, height = 7000, 6000
    file = png(width, height, rows=bytes((width * 3 + 1) * height))
    for number in range(4):
        (tmp_path / "in" / f"{number}.png").write_bytes(file)
    arguments = ["--jobs", 2, "--max-pixels", width * height]
    cost = build(tmp_path / "in", tmp_path / "out", *arguments)
    assert cost.code == 0, cost.stderr
    assert cost.memory < nothing_bad[2].memory + width * height * 3 + MOST_MEMORY


def test_unreadable_files_and_folders_are_named(tmp_path):
    source = tmp_path / "in"
    for name in ("open/a.png", "shut/b.png", "open/c.png"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        noise().save(source / name)
    (source / "open" / "c.png").chmod(0)
    (source / "shut").chmod(0)
    command = [VALLEY, "shard", "build", "--source", source, "--dest", tmp_path / "out", "--resolution", "8",
               "--max-error-rate", "1"]
    if os.geteuid() == 0:  # who may read everything, unless told otherwise
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    (source / "shut").chmod(0o755)
    assert result.returncode == 0, result.stderr
    found = rejects(tmp_path / "out")
    assert {name: line["reason"] for name, line in found.items()} == {
        "shut/": "cannot be read", "open/c.png": "cannot be read"}
    assert "Permission denied" in found["open/c.png"]["detail"]
