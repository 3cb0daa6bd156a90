"""PNG palettes that are shorter than the indices of the pixels: the missing colors are those of Pillow 9.4, (i, i, i)."""

import itertools
import struct
import zlib

import numpy as np
from decoders import EQUAL, compare, pillow_decoder, valley_decoder

COLORS = bytes([250, 20, 30, 40, 150, 60, 7, 80, 190])


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colors, transparency=None, interlaced=False):
    """One pixel of each index that the depth has."""
    number = 1 << depth
    packed = np.packbits(np.unpackbits(np.arange(number, dtype=np.uint8)[:, None], axis=1)[:, 8 - depth:].reshape(-1)).tobytes()
    if interlaced:  # one row of Adam7: the passes that hold columns of row 0
        columns = [range(0, number, 8), range(4, number, 8), range(2, number, 4), range(1, number, 2)]
        rows = b"".join(b"\0" + bytes(column) for column in columns if column)
    else:
        rows = b"\0" + packed
    header = struct.pack(">IIBBBBB", number, 1, depth, 3, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"PLTE", COLORS[:3 * colors]) +
            (chunk(b"tRNS", transparency) if transparency is not None else b"") + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def test_indices_beyond_the_palette_are_gray_as_in_pillow(tmp_path):
    files = {f"{depth}-{colors}-{len(alpha) if alpha else 0}-{i}.png": png(depth, colors, alpha)
             for (i, alpha), depth, colors in itertools.product(
                 enumerate((None, b"\x80", b"\x00\xff", bytes([0, 90, 200]), bytes([10, 20, 30, 40]))), (1, 2, 4, 8), (1, 2, 3))
             if colors <= 1 << depth and (alpha is None or len(alpha) <= 1 << depth)}
    files["interlaced.png"] = png(8, 2, interlaced=True)
    wrong = []
    with valley_decoder() as valley, pillow_decoder() as pillow:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
            found = compare(tmp_path / name, valley, pillow)
            if found.kind != EQUAL:
                wrong.append(f"{name}: {found.kind} {found.detail}")
        (tmp_path / "values.png").write_bytes(png(8, 2))
        values = valley.decode(tmp_path / "values.png")
    assert not wrong, "\n".join(wrong)
    assert len(files) > 40
    assert values[0, [0, 1, 2, 200, 255]].tolist() == [[250, 20, 30], [40, 150, 60], [2, 2, 2], [200, 200, 200], [255, 255, 255]]


def test_damaged_palette_is_rejected(tmp_path):
    """The entries that are added do not hide what is wrong with the palette."""
    whole = png(8, 2)
    at = whole.index(b"PLTE")
    files = {"crc.png": whole[:at + 12] + b"\0" + whole[at + 13:], "none.png": whole[:at - 4] + whole[at + 14:],
             "twice.png": whole[:at + 14] + whole[at - 4:], "cut.png": whole[:at - 4] + chunk(b"PLTE", COLORS[:5]) + whole[at + 14:]}
    with valley_decoder() as valley:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
            assert str(valley.decode(tmp_path / name)).startswith("damaged"), name
