"""Images as Debian's Pillow writes and reads them. Runs under /usr/bin/python3 (python3-pil, no NumPy): the version whose
bits are documented, linked to the same libjpeg-turbo as the program.

Usage: pillow_peer.py make FOLDER                 files of every kind that Pillow can write, and some that it only reads
       pillow_peer.py read FOLDER OUT [ALPHA]     each file's pixels as RGB, one raw file per source file
       pillow_peer.py shapes FOLDER               files of odd sizes and extreme ratios
       pillow_peer.py fit FOLDER OUT TRANSFORM FILTER MODE WIDTH HEIGHT
       pillow_peer.py photos FOLDER COUNT SIDE    JPEG files like photographs
       pillow_peer.py decode                      answers paths from stdin as tests/image/decode_tool.cpp does
"""

import io
import pathlib
import random
import struct
import sys
import zlib

from PIL import Image, ImageOps

SIZE = (37, 29)
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC,
           "bilinear": Image.Resampling.BILINEAR, "box": Image.Resampling.BOX}


def picture(mode, size=SIZE, coarseness=3, seed=0):
    """Smooth colors with edges, so that codecs have something to round."""
    draw = random.Random(f"{mode} {size} {seed}")
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = (max(1, size[0] // coarseness), max(1, size[1] // coarseness))
    return Image.frombytes(mode, small, draw.randbytes(bands * small[0] * small[1])).resize(size, Image.Resampling.BICUBIC)


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    return exif.tobytes()


def jpeg_bytes(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(width, height, depth, color, rows, interlace=0, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) +
            chunk(b"IEND", b""))


def interlaced_png(image):
    """Adam7, RGB or L, 8 bits."""
    width, height = image.size
    bands = len(image.getbands())
    data = image.tobytes()
    rows = b""
    for left, top, right, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                                   (0, 1, 1, 2)):
        for y in range(top, height, down):
            line = b"".join(data[(y * width + x) * bands:][:bands] for x in range(left, width, right))
            rows += b"\0" + line if line else b""
    return png_bytes(width, height, 8, {1: 0, 3: 2}[bands], rows, interlace=1)


def deep_png(color, bands, seed):
    """Noise with 16 bits per channel. Pillow reads all but gray by the high byte."""
    width, height = SIZE
    draw = random.Random(seed)
    return png_bytes(width, height, 16, color, b"".join(b"\0" + draw.randbytes(width * bands * 2) for _ in range(height)))


def make_jpegs(folder):
    for quality in (30, 90, 100):
        for sampling in (0, 1, 2):
            for progressive in (False, True):
                picture("RGB", seed=quality).save(folder / f"rgb-{quality}-{sampling}-{progressive}.jpg", quality=quality,
                                                  subsampling=sampling, progressive=progressive)
    for progressive in (False, True):
        picture("L").save(folder / f"gray-{progressive}.jpg", progressive=progressive)
        picture("CMYK").save(folder / f"cmyk-{progressive}.jpg", progressive=progressive)
    cmyk = jpeg_bytes(picture("CMYK"))
    at = cmyk.index(b"Adobe") + 11
    assert cmyk[at] == 0
    (folder / "ycck.jpg").write_bytes(cmyk[:at] + b"\2" + cmyk[at + 1:])
    rgb = jpeg_bytes(picture("RGB"), subsampling=0)
    assert rgb[2:4] == b"\xff\xe0"
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
    (folder / "adobe-rgb.jpg").write_bytes(rgb[:2] + adobe + rgb[4 + struct.unpack(">H", rgb[4:6])[0]:])
    (folder / "trailing-garbage.jpg").write_bytes(rgb + b"garbage" * 100)
    (folder / "optimized.jpg").write_bytes(jpeg_bytes(picture("RGB"), optimize=True))
    (folder / "a-png-by-content.jpg").write_bytes(interlaced_png(picture("RGB")))


def make_pngs(folder):
    for mode in ("1", "L", "LA", "RGB", "RGBA"):
        source = picture("L").convert("1") if mode == "1" else picture(mode)
        source.save(folder / f"{mode}.png")
    picture("L").save(folder / "L-trns.png", transparency=picture("L").getpixel((3, 3)))
    picture("RGB").save(folder / "RGB-trns.png", transparency=picture("RGB").getpixel((3, 3)))
    for colors in (2, 4, 16, 200):
        palette = picture("RGB").quantize(colors)
        palette.save(folder / f"P-{colors}.png")
        palette.save(folder / f"P-{colors}-trns.png", transparency=bytes(i * 37 % 256 for i in range(colors)))
    for bits in (2, 4):  # gray
        rows = b"".join(b"\0" + random.Random(y).randbytes((SIZE[0] * bits + 7) // 8) for y in range(SIZE[1]))
        (folder / f"L-{bits}-bits.png").write_bytes(png_bytes(*SIZE, bits, 0, rows))
    (folder / "interlaced.png").write_bytes(interlaced_png(picture("RGB")))
    (folder / "interlaced-gray.png").write_bytes(interlaced_png(picture("L")))
    for color, bands in ((2, 3), (4, 2), (6, 4)):
        (folder / f"16-bits-{bands}.png").write_bytes(deep_png(color, bands, bands))
    (folder / "UPPER.PNG").write_bytes((folder / "RGB.png").read_bytes())


def make_webps(folder):
    for mode in ("RGB", "RGBA"):
        for lossless in (False, True):
            picture(mode).save(folder / f"{mode}-{lossless}.webp", lossless=lossless, quality=80)
        frames = [picture(mode, seed=i) for i in range(3)]
        frames[0].save(folder / f"animated-{mode}.webp", save_all=True, append_images=frames[1:], lossless=True)


def make(folder):
    for kind in ("jpeg", "png", "webp", "exif"):
        (folder / kind).mkdir(parents=True)
    make_jpegs(folder / "jpeg")
    make_pngs(folder / "png")
    make_webps(folder / "webp")
    for orientation in range(0, 10):
        # The rotated images must have the size of the others.
        size = SIZE[::-1] if 5 <= orientation <= 8 else SIZE
        for name in ("o.jpg", "o.png", "o.webp"):
            picture("RGB", size).save(folder / "exif" / f"{orientation}{name}", exif=exif_of(orientation))


def shapes(folder):
    folder.mkdir(parents=True)
    sizes = [(1, 1), (1, 50), (50, 1), (2, 3), (37, 29), (64, 64), (300, 7), (7, 300), (333, 250), (500, 499)]
    for width, height in sizes:
        for mode in ("L", "RGB"):
            image = picture(mode, (width, height), 1 + width % 4)
            image.save(folder / f"{mode}-{width}x{height}.png")
            image.save(folder / f"{mode}-{width}x{height}.jpg", quality=85)
            image.save(folder / f"{mode}-{width}x{height}.webp", quality=75)


def photos(folder, count, side):
    folder.mkdir(parents=True)
    for i in range(int(count)):
        # Octaves of noise approximate the spectrum of photographs.
        image = picture("RGB", (int(side), int(side)), 64, i)
        for octave in (16, 4):
            image = Image.blend(image, picture("RGB", image.size, octave, i), 0.3)
        image.save(folder / f"{i:04}.jpg", quality=90)


def opened(path, alpha="white"):
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        below = Image.new("RGB", image.size, alpha)
        below.paste(image, mask=image.getchannel("A"))
        return below
    return image.convert("RGB")


def center_crop(image, width, height, resample):
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((width, height), resample)


def center_crop_wide(image, width, height, resample):
    """As in StyleGAN's data set tool; None if it would have to enlarge."""
    rows = round(width * image.height / image.width)
    if image.width < width or rows < height:
        return None
    part = image.crop((0, (image.height - rows) // 2, image.width, (image.height + rows) // 2))
    canvas = Image.new(image.mode, (width, width))
    canvas.paste(part.resize((width, height), resample), (0, (width - height) // 2))
    return canvas


def center_crop_dhariwal(image, width, height, resample):
    """As in ADM's loader, which has its own filters."""
    del height, resample
    while min(image.size) >= 2 * width:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = width / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - width) // 2, (image.height - width) // 2
    return image.crop((left, top, left + width, top + width))


def stretched(image, width, height, resample):
    return image.resize((width, height), resample)


TRANSFORMS = {"none": stretched, "center-crop": center_crop, "center-crop-wide": center_crop_wide,
              "center-crop-dhariwal": center_crop_dhariwal}


def each_file(folder, out, convert):
    out.mkdir(parents=True)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        image = convert(path)
        if image is not None:
            (out / (str(path.relative_to(folder)).replace("/", "@") + ".raw")).write_bytes(image.tobytes())


def high_byte(image):
    """16-bit gray, which Pillow clips to 255 and the program does not."""
    data = image.tobytes()  # 32 bits a pixel, in the byte order of this machine
    return Image.frombytes("L", image.size, data[1::4] if sys.byteorder == "little" else data[2::4])


def decode():
    """Paths from stdin, each ended by NUL, to pixels on stdout."""
    def paths():
        path = b""
        while byte := sys.stdin.buffer.read(1):
            if byte == b"\0":
                yield path
                path = b""
            else:
                path += byte
    for path in paths():
        try:
            image = Image.open(path)
            image = opened(path) if image.mode != "I" else high_byte(ImageOps.exif_transpose(image)).convert("RGB")
            sys.stdout.buffer.write(f"{image.height} {image.width} 3\n".encode() + image.tobytes())
        except Exception as error:  # whatever a decoder raises is a rejected file
            text = f"{type(error).__name__}: {error}".replace("\n", " ")
            sys.stdout.buffer.write(f"- {text}\n".encode(errors="replace"))
        sys.stdout.buffer.flush()


def main(task, folder="", *rest):
    folder = pathlib.Path(folder)
    if task == "make":
        make(folder)
    elif task == "shapes":
        shapes(folder)
    elif task == "decode":
        decode()
    elif task == "photos":
        photos(folder, *rest)
    elif task == "read":
        each_file(folder, pathlib.Path(rest[0]), lambda path: opened(path, *rest[1:]))
    elif task == "fit":
        out, transform, name, mode, width, height = rest
        each_file(folder, pathlib.Path(out), lambda path: TRANSFORMS[transform](
            opened(path).convert(mode), int(width), int(height), FILTERS[name]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
