"""Valid and invalid EXIF orientations of cameras and programs: files are rotated like ImageOps.exif_transpose of Pillow
9.4."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from decoders import EQUAL, ONLY_VALLEY, compare, pillow_decoder, valley_decoder
from PIL import Image

TAG = 0x0112
BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, UNDEFINED, SSHORT, SLONG, SRATIONAL, FLOAT, DOUBLE, IFD, LONG8 = (*range(1, 14), 16)
CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", SBYTE: "b", UNDEFINED: "B", SSHORT: "h", SLONG: "i", FLOAT: "f",
         DOUBLE: "d", IFD: "I", LONG8: "Q", RATIONAL: "II", SRATIONAL: "ii"}


def field(kind, *values, tag=TAG, count=None):
    """One entry of a directory: tag, type, count and the format and values of its data."""
    return tag, kind, len(values) // len(CODES[kind]) if count is None else count, CODES[kind], values


def tiff(*fields, order="<", magic=None, gap=0, entries=None):
    """A TIFF structure of one directory `gap` bytes behind its usual place; values that do not fit lie behind it."""
    at = 8 + gap
    directory, data = b"", b""
    end = at + 2 + 12 * len(fields) + 4
    for tag, kind, count, code, values in fields:
        value = struct.pack(order + code * (len(values) // len(code)), *values)
        if len(value) > 4:
            value, data = struct.pack(order + "I", end + len(data)), data + value
        directory += struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
    head = magic or (b"II*\0" if order == "<" else b"MM\0*")
    number = len(fields) if entries is None else entries
    return head + struct.pack(order + "I", at) + bytes(gap) + struct.pack(order + "H", number) + directory + bytes(4) + data


def picture():
    y, x = np.mgrid[0:24, 0:40]
    return Image.fromarray(np.stack([x * 6, y * 10, x * y % 256], 2).astype(np.uint8))


def saved(kind, **options):
    file = io.BytesIO()
    picture().save(file, kind, **options)
    return file.getvalue()


JPEG, PNG, WEBP = saved("JPEG", quality=90), saved("PNG"), saved("WEBP", lossless=True)
PREFIX = b"Exif\0\0"


def segment(data, marker=0xE1):
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments):
    return JPEG[:2] + b"".join(map(segment, segments)) + JPEG[2:]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks, after=()):
    """Chunks before the pixels and after them."""
    at, end = PNG.index(b"IDAT") - 4, len(PNG) - 12
    return PNG[:at] + b"".join(chunks) + PNG[at:end] + b"".join(after) + PNG[end:]


def webp(exif, extended=True, first=False, flags=8):
    def part(kind, data):
        return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    header = part(b"VP8X", bytes((flags, 0, 0, 0)) + struct.pack("<I", 39)[:3] + struct.pack("<I", 23)[:3]) if extended else b""
    parts = [part(b"EXIF", exif), WEBP[12:]] if first else [WEBP[12:], part(b"EXIF", exif)]
    body = b"WEBP" + header + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def raw_profile(data, header="\nexif\n%8d\n", width=72):
    digits = data.hex()
    return (header % len(data)).encode() + b"".join(digits[i:i + width].encode() + b"\n" for i in range(0, len(digits), width))


def itxt(keyword, text, packed=False):
    return chunk(b"iTXt", keyword + (b"\0\1\0" if packed else b"\0\0\0") + b"en\0\0" + (zlib.compress(text) if packed else text))


def xmp(orientation, form='tiff:Orientation="%s"'):
    return b"<x:xmpmeta><rdf:Description " + (form % orientation).encode() + b"/></x:xmpmeta>"


SIX, EIGHT, ONE = (tiff(field(SHORT, value)) for value in (6, 8, 1))
PROFILE, XMP = b"Raw profile type exif", b"XML:com.adobe.xmp"


def types():
    """name -> (file, whether it is turned on its side), for all types of numbers in both byte orders."""
    files = {}
    turned = {SHORT, LONG, RATIONAL, SBYTE, SSHORT, SLONG, SRATIONAL, FLOAT, DOUBLE, IFD, LONG8}
    for kind, (order, name) in itertools.product(CODES, (("<", "little"), (">", "big"))):
        values = (6, 1) if kind in (RATIONAL, SRATIONAL) else (6.0,) if kind in (FLOAT, DOUBLE) else (6,)
        data = tiff(field(kind, *values), order=order)
        for ending, file in (("jpg", jpeg(PREFIX + data)), ("png", png(chunk(b"eXIf", data))), ("webp", webp(data))):
            files[f"type-{kind}-{name}.{ending}"] = file, kind in turned
    for value in (-6, 0, 1, 2, 3, 4, 5, 7, 8, 9, 70000):
        files[f"slong-{value}.jpg"] = jpeg(PREFIX + tiff(field(SLONG, value))), 5 <= value <= 8
        files[f"double-{value}.png"] = png(chunk(b"eXIf", tiff(field(DOUBLE, value), order=">"))), 5 <= value <= 8
    for numerator, denominator in ((12, 2), (13, 2), (6, 0), (0, 0)):
        files[f"rational-{numerator}-{denominator}.jpg"] = (jpeg(PREFIX + tiff(field(RATIONAL, numerator, denominator))),
                                                            (numerator, denominator) == (12, 2))
    files["ascii.jpg"] = jpeg(PREFIX + tiff(field(ASCII, ord("6"), 0))), False
    return files


def structures():
    text = field(ASCII, *b"a camera with a long name\0", tag=0x010F)
    far = (0x010F, ASCII, 1000, "BBBB", (255, 255, 255, 127))  # its text lies beyond the end
    cases = {
        "two-of-6": (tiff(field(SHORT, 6, 6)), True), "three-of-8-6-1": (tiff(field(SHORT, 8, 6, 1)), True),
        "three-longs": (tiff(field(LONG, 6, 1, 1), order=">"), True),
        "count-0": (tiff(field(SHORT, 6, count=0)), False), "count-huge": (tiff(field(SHORT, 6, count=1 << 31)), False),
        "6-then-8": (tiff(field(SHORT, 6), field(SHORT, 8)), True), "6-then-1": (tiff(field(SHORT, 6), field(SHORT, 1)), False),
        "0-then-6": (tiff(field(SHORT, 0), field(LONG, 6)), True), "6-then-byte-1": (tiff(field(SHORT, 6), field(BYTE, 1)), False),
        "after-text": (tiff(text, field(SHORT, 6)), True), "unsorted": (tiff(field(SHORT, 1, tag=0x9999), field(SHORT, 6)), True),
        "after-a-text-that-is-missing": (tiff(far, field(SHORT, 6)), False),
        "before-a-text-that-is-missing": (tiff(field(SHORT, 6), far), True),
        "unknown-type": (tiff((TAG, 99, 1, "H", (6,))), False),
        "unknown-type-before": (tiff((0x0100, 99, 1, "H", (6,)), field(SHORT, 6)), True),
        "fewer-entries-than-said": (tiff(field(SHORT, 6), entries=9)[:8 + 2 + 12], True),
        "more-entries-than-said": (tiff(field(SHORT, 1), field(SHORT, 6), entries=1), False),
        "gap": (tiff(field(SHORT, 6), gap=10), True), "odd-gap": (tiff(field(SHORT, 6), gap=7, order=">"), True),
        "exchanged-magic-little": (tiff(field(SHORT, 6), magic=b"II\0*"), True),
        "exchanged-magic-big": (tiff(field(SHORT, 6), order=">", magic=b"MM*\0"), True),
        "nothing": (tiff(), False), "empty": (b"", False),
    }
    files = {}
    for name, (data, turned) in cases.items():
        files[name + ".jpg"] = jpeg(PREFIX + data), turned
        files[name + ".png"] = png(chunk(b"eXIf", data)), turned
        files[name + ".webp"] = webp(data), turned
    return files


def jpegs():
    adobe = b"http://ns.adobe.com/xap/1.0/\0"
    return {
        "xmp-before.jpg": (jpeg(adobe + xmp(1), PREFIX + SIX), True), "xmp-alone.jpg": (jpeg(adobe + xmp(6)), False),
        "two-segments.jpg": (jpeg(PREFIX + SIX, PREFIX + ONE), True), "two-reversed.jpg": (jpeg(PREFIX + ONE, PREFIX + SIX), False),
        "first-without.jpg": (jpeg(PREFIX + tiff(), PREFIX + SIX), False), "first-empty.jpg": (jpeg(PREFIX, PREFIX + SIX), False),
        "after-the-frame.jpg": (JPEG[:JPEG.index(b"\xff\xda")] + segment(PREFIX + SIX) + JPEG[JPEG.index(b"\xff\xda"):], True),
        "other-marker.jpg": (JPEG[:2] + segment(PREFIX + SIX, 0xE3) + JPEG[2:], False),
    }


def pngs():
    packed = zlib.compress(raw_profile(PREFIX + SIX))
    bad = raw_profile(PREFIX + SIX).replace(b"4", b"g")
    return {
        "after-pixels.png": (png(after=[chunk(b"eXIf", SIX)]), True),
        "two-before.png": (png(chunk(b"eXIf", SIX), chunk(b"eXIf", ONE)), False),
        "two-before-reversed.png": (png(chunk(b"eXIf", ONE), chunk(b"eXIf", SIX)), True),
        "before-and-after.png": (png(chunk(b"eXIf", ONE), after=[chunk(b"eXIf", SIX)]), False),
        "two-after.png": (png(after=[chunk(b"eXIf", ONE), chunk(b"eXIf", EIGHT)]), True),
        "profile-ztxt.png": (png(chunk(b"zTXt", PROFILE + b"\0\0" + packed)), True),
        "profile-text.png": (png(chunk(b"tEXt", PROFILE + b"\0" + raw_profile(PREFIX + SIX))), True),
        "profile-itxt.png": (png(itxt(PROFILE, raw_profile(SIX))), True),
        "profile-itxt-packed.png": (png(after=[itxt(PROFILE, raw_profile(SIX), True)]), True),
        "profile-one-line.png": (png(chunk(b"tEXt", PROFILE + b"\0" + raw_profile(SIX, width=10000))), True),
        "profile-two-lines-of-header.png": (png(chunk(b"tEXt", PROFILE + b"\0" + raw_profile(SIX, "exif%8d\n"))), False),
        "profile-and-exif.png": (png(chunk(b"tEXt", PROFILE + b"\0" + raw_profile(SIX)), chunk(b"eXIf", ONE)), False),
        "profile-and-exif-after.png": (png(chunk(b"tEXt", PROFILE + b"\0" + raw_profile(ONE)), after=[chunk(b"eXIf", SIX)]), True),
        "profile-damaged.png": (png(chunk(b"zTXt", PROFILE + b"\0\0" + b"\xff" * 40)), False),
        "profile-no-hexadecimal.png": (png(chunk(b"tEXt", PROFILE + b"\0" + bad)), None),
        "profile-too-long.png": (png(chunk(b"zTXt", PROFILE + b"\0\0" + zlib.compress(raw_profile(SIX) + bytes(2 << 20)))), None),
        "text-exif.png": (png(chunk(b"tEXt", b"exif\0" + SIX)), True), "text-exif-prefix.png": (png(chunk(b"tEXt", b"exif\0" + PREFIX + SIX)), True),
        "xmp.png": (png(itxt(XMP, xmp(6))), True), "xmp-element.png": (png(itxt(XMP, xmp(6, "<tiff:Orientation>%s</tiff:Orientation>"))), True),
        "xmp-packed-after.png": (png(after=[itxt(XMP, xmp(8), True)]), True), "xmp-text.png": (png(chunk(b"tEXt", XMP + b"\0" + xmp(5))), True),
        "xmp-single-quotes.png": (png(itxt(XMP, xmp(6, "tiff:Orientation='%s'"))), False), "xmp-9.png": (png(itxt(XMP, xmp(9))), False),
        "xmp-second.png": (png(itxt(XMP, xmp("x") + xmp(6))), True), "xmp-and-exif.png": (png(itxt(XMP, xmp(6)), chunk(b"eXIf", ONE)), False),
        "xmp-and-exif-without.png": (png(itxt(XMP, xmp(6)), chunk(b"eXIf", tiff())), True),
        "xmp-after-and-exif-without.png": (png(chunk(b"eXIf", tiff()), after=[itxt(XMP, xmp(6))]), False),
        "prefix.png": (png(chunk(b"eXIf", PREFIX + SIX)), None),
    }


def webps():
    frames = [picture(), picture().rotate(180)]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True, exif=SIX)
    return {"prefix.webp": (webp(PREFIX + SIX), True), "not-extended.webp": (webp(SIX, extended=False), False),
            "before-the-pixels.webp": (webp(SIX, first=True), True), "without-flag.webp": (webp(SIX, flags=0), False),
            "animated.webp": (file.getvalue(), True), "long-animated.webp": (file.getvalue().replace(
                struct.pack("<HHI", TAG, SHORT, 1), struct.pack("<HHI", TAG, LONG, 1)), True)}


@pytest.mark.parametrize("files", [types, structures, jpegs, pngs, webps])
def test_exif_rotation_matches_pillow(files, tmp_path):
    """Of None, Pillow 9.4 raises an error: these are images nevertheless."""
    cases = files()
    with valley_decoder() as valley, pillow_decoder() as pillow:
        wrong = []
        for name, (content, turned) in cases.items():
            path = tmp_path / name
            path.write_bytes(content)
            found = compare(path, valley, pillow)
            expected = ONLY_VALLEY if turned is None else EQUAL
            pixels = valley.decode(path)
            is_turned = not isinstance(pixels, str) and pixels.shape == (40, 24, 3)
            if found.kind != expected or (turned is not None and is_turned != turned):
                wrong.append(f"{name}: {found.kind} {found.detail}; turned: {is_turned}, expected {turned}")
    assert not wrong, "\n".join(wrong)
    assert sum(turned is True for _, turned in cases.values()) >= 3


def test_orientation_chunks_with_wrong_crc_are_rejected(tmp_path):
    """As eXIf; other texts may have any."""
    files = {"orientation.png": chunk(b"tEXt", XMP + b"\0" + xmp(6)), "other.png": chunk(b"tEXt", b"Comment\0hello"),
             "exif.png": chunk(b"eXIf", SIX)}
    with valley_decoder() as valley:
        found = {}
        for name, content in files.items():
            (tmp_path / name).write_bytes(png(content[:-1] + bytes([content[-1] ^ 1])))
            pixels = valley.decode(tmp_path / name)
            found[name] = pixels if isinstance(pixels, str) else "an image"
    assert found == {"orientation.png": "damaged: the CRC of a chunk tEXt is wrong", "other.png": "an image",
                     "exif.png": "damaged: the CRC of a chunk eXIf is wrong"}
