"""Images that are the same on every machine: shapes in two colors, a class folder per shape."""

import pathlib
import struct
import zlib

SIDE = 32
SHAPES = ("disk", "square", "diamond", "cross")


def draws(seed):
    """A linear congruential generator: its upper bits."""
    state = seed
    while True:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state >> 8


def inside(shape, dx, dy, radius):
    if shape == "disk":
        return dx * dx + dy * dy <= radius * radius
    if shape == "square":
        return max(dx, dy) <= radius
    if shape == "diamond":
        return dx + dy <= radius
    return min(dx, dy) <= 2


def draw_image(shape, numbers):
    """Rows of RGB bytes."""
    ink, paper = (bytes(next(numbers) % 256 for _ in range(3)) for _ in range(2))
    x, y, radius = 8 + next(numbers) % 16, 8 + next(numbers) % 16, 4 + next(numbers) % 6
    return [b"".join(ink if inside(shape, abs(column - x), abs(row - y), radius) else paper for column in range(SIDE))
            for row in range(SIDE)]


def write_png(path, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def write_images(folder, count):
    numbers = draws(1)
    for index in range(count):
        shape = SHAPES[index % len(SHAPES)]
        (folder / shape).mkdir(parents=True, exist_ok=True)
        write_png(folder / shape / f"{index:03}.png", draw_image(shape, numbers))


def make_shards(work, count, channels="rgb"):
    """The folder of shards of the first `count` images, built once per run of the script."""
    folder = pathlib.Path(work.machine.out) / "work" / f"data-{count}-{channels}"
    if not (folder / "SHA256SUMS").exists():
        images = folder.with_name(f"images-{count}")
        write_images(images, count)
        work.valley("shard", "build", "--source", images, "--resolution", SIDE, "--channels", channels, "--dest", folder,
                    "--jobs", "1", "--progress", "none", "--overwrite", on_gpu=False)
    return folder
