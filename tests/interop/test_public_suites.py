"""Any folder of images, decoded by the program and by Debian's Pillow and compared pixel by pixel.

    VALLEY_IMAGE_SUITE=DIR python -m pytest -s -n0 tests/interop/test_public_suites.py

lists all files below DIR that the two decode differently, by kind of difference. Only differing pixels fail the test: the set of
accepted broken files is a design choice, which docs/decoding.md describes.
"""

import collections
import io
import os
import pathlib
import struct
import zlib

import pytest
from decoders import DIFFERENT, EQUAL, KINDS, NEITHER, ONLY_PILLOW, ONLY_VALLEY, compare, pillow_decoder, valley_decoder
from PIL import Image

SUITE = "VALLEY_IMAGE_SUITE"


def files_below(folder):
    """All but hidden ones. What is an image, its content says."""
    return sorted(path for path in folder.rglob("*")
                  if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts))


def compare_all(paths, valley_folder=None, pillow_folder=None):
    with valley_decoder(valley_folder) as valley, pillow_decoder(pillow_folder) as pillow:
        return [compare(path, valley, pillow) for path in paths]


def report_of(comparisons, folder):
    """A count per kind, and a line per file that is not equal."""
    counts = collections.Counter(comparison.kind for comparison in comparisons)
    lines = [f"{len(comparisons)} files below {folder}"] + [f"{counts[kind]:6} {kind}" for kind in KINDS]
    for kind in KINDS[1:]:
        lines += [f"{kind}: {c.path.relative_to(folder)}: {c.detail}" for c in comparisons if c.kind == kind]
    return "\n".join(lines)


@pytest.mark.skipif(SUITE not in os.environ, reason=f"set {SUITE} to a folder of images to compare them with Pillow")
def test_pixels_of_image_suite_match_pillow(capsys):
    folder = pathlib.Path(os.environ[SUITE]).resolve()
    paths = files_below(folder)
    assert paths, f"{SUITE}={folder}: there is no file"
    comparisons = compare_all(paths)
    with capsys.disabled():
        print("\n" + report_of(comparisons, folder))
    assert [str(c.path) for c in comparisons if c.kind == DIFFERENT] == []


def encoded(kind, **options):
    file = io.BytesIO()
    Image.effect_noise((24, 16), 60).convert("RGB").save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data, crc=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def test_each_kind_of_difference_is_found_and_listed(tmp_path):
    png, jpeg = encoded("PNG"), encoded("JPEG")
    suite = tmp_path / "suite"
    (suite / "deep").mkdir(parents=True)
    for name, content in {"a.png": png, "deep/b.jpg": jpeg, "c.webp": encoded("WEBP"), "d.webp": encoded("WEBP", lossless=True),
                          "no-end.png": png[:-12], "comment.png": png[:-12] + chunk(b"tEXt", b"Comment\0x", 7) + png[-12:],
                          "comment-first.png": png[:33] + chunk(b"tEXt", b"Comment\0x", 7) + png[33:],
                          "text.png": b"no pixels", "empty.jpg": b"", "gone.png": png[:40], ".hidden.png": b""}.items():
        (suite / name).write_bytes(content)
    # No file is decoded differently, but a link can give each decoder another file.
    for name, color in (("valley", 10), ("pillow", 13)):
        (tmp_path / name).mkdir()
        image = Image.new("RGB", (5, 4), (color, 0, 0))
        image.putpixel((0, 0), (9, 9, 9))
        image.save(tmp_path / name / "image.png")
    (suite / "changed.png").symlink_to("/proc/self/cwd/image.png")
    (suite / "size.png").symlink_to("/proc/self/cwd/size.png")
    Image.new("RGB", (5, 4)).save(tmp_path / "valley" / "size.png")
    Image.new("RGB", (4, 5)).save(tmp_path / "pillow" / "size.png")
    paths = files_below(suite)
    paths += [suite / "changed.png", suite / "size.png"]  # they lead nowhere from here
    comparisons = compare_all(paths, tmp_path / "valley", tmp_path / "pillow")
    kinds = {str(c.path.relative_to(suite)): c.kind for c in comparisons}
    assert kinds == {"a.png": EQUAL, "deep/b.jpg": EQUAL, "c.webp": EQUAL, "d.webp": EQUAL, "no-end.png": ONLY_PILLOW,
                     "comment.png": EQUAL, "comment-first.png": ONLY_VALLEY, "text.png": NEITHER, "empty.jpg": NEITHER,
                     "gone.png": NEITHER, "changed.png": DIFFERENT, "size.png": DIFFERENT}
    report = report_of(comparisons, suite)
    for line in (f"12 files below {suite}", "     5 accepted by both, equal", "     2 accepted by both, pixels differ",
                 "     1 accepted only by Valley", "     1 accepted only by Pillow", "     3 rejected by both",
                 "pixels differ: changed.png: 19 of 20 pixels, by at most 3", "pixels differ: size.png: 5x4, in Pillow 4x5",
                 "accepted only by Pillow: no-end.png: Valley: truncated"):
        assert line in report, report
