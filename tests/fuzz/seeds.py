"""Writes the first inputs of every fuzz target, one folder per target: small valid files of each kind.

Usage: seeds.py FOLDER
"""

import gzip
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy as np
from PIL import Image

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SIDE = 6
PIXELS = np.arange(3 * SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE, 3)


def encoded(kind, mode="RGB", **options):
    out = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(out, kind, **options)
    return out.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def tar(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def saved(save, *arrays, **named):
    out = io.BytesIO()
    save(out, *arrays, **named)
    return out.getvalue()


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def idx(*shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(range(256))[:int(np.prod(shape))]


def images():
    for mode in ("RGB", "L", "CMYK"):
        yield encoded("JPEG", mode, exif=exif(6))
    yield encoded("JPEG", progressive=True, quality=50)
    for mode in ("RGB", "L", "P", "RGBA", "LA", "1", "I;16"):
        yield encoded("PNG", mode)
    yield encoded("PNG", "RGB", exif=exif(8))
    for mode in ("RGB", "RGBA"):
        yield encoded("WEBP", mode, exif=exif(3))
        yield encoded("WEBP", mode, lossless=True)


def manifests():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for i in range(3):
            (work / "in" / str(i)).mkdir(parents=True)
            (work / "in" / str(i) / "a.png").write_bytes(encoded("PNG"))
        valley = pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build")) / "valley"
        subprocess.run([valley, "shard", "build", "--source", work / "in", "--dest", work / "out", "--resolution", "4"],
                       check=True, capture_output=True)
        manifest = json.loads((work / "out" / "manifest.json").read_bytes())
        manifest.pop("sha256")  # which would reject every change
        yield json.dumps(manifest).encode()


def seeds():
    png, jpg = encoded("PNG", "L"), encoded("JPEG")
    labels = json.dumps({"labels": [["a/0.png", 1], ["b/1.jpg", 0]], "class_names": ["x", "y"]}).encode()
    folders = {"dataset.json": labels, "a/0.png": png, "b/1.jpg": jpg}
    samples = {"0.png": png, "0.cls": b"3", "1.jpg": jpg, "1.json": b'{"label": 2}', "2.png": png, "2.txt": b"text"}
    cifar10 = {f"cifar-10-batches-bin/data_batch_{i}.bin": bytes(3073) for i in range(1, 6)}
    cifar10 |= {"cifar-10-batches-bin/test_batch.bin": bytes(3073), "cifar-10-batches-bin/batches.meta.txt": b"a\nb\nc\n"}
    cifar100 = {"cifar-100-binary/train.bin": bytes(3074), "cifar-100-binary/test.bin": bytes(3074),
                "cifar-100-binary/fine_label_names.txt": b"a\nb\n"}
    header = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"step": "3"}}
    gray = PIXELS[None, :, :, 0].repeat(2, 0)
    return {
        "images": list(images()),
        "exif": [exif(value) for value in (1, 6, 8)] + [exif(5)[6:]],
        "manifest": list(manifests()),
        "config": [path.read_bytes() for path in sorted((REPOSITORY / "configs").glob("*.toml"))] +
                  [b'train.steps = 5\n[data]\nmirror = "on"\npath = \'a b\'\n[model]\nsizes = [1, 2]\n[optimizer]\nlr = 1e-3\n'],
        "safetensors": [safetensors(header, bytes(16)), safetensors({}, b"")],
        "table": [b"file,a,b\nx.png,1,cat\ny.png,0,\"d,o\"\n", b"2\nSmiling Young\na.jpg 1 -1\nb.jpg -1 1\n", b"file\tk\r\na\t3\r\n"],
        "tar": [tar(folders), tar(samples), tar(samples, "w:gz"), tar(folders, "w:xz")],
        "zip": [zipped(folders), zipped(folders, zipfile.ZIP_STORED)],
        "idx": [idx(2, 4, 4), gzip.compress(idx(2, 4, 4))],
        "cifar": [tar(cifar10, "w:gz"), tar(cifar100, "w:gz"), tar(cifar100)],
        "numpy": [saved(np.save, gray), saved(np.save, PIXELS[None]), saved(np.savez, images=gray, labels=np.array([0, 1])),
                  saved(np.savez_compressed, x=PIXELS[None], y=np.array([1]))],
    }


def main():
    for target, inputs in seeds().items():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(inputs):
            (folder / f"seed-{number:02}").write_bytes(content)


if __name__ == "__main__":
    main()
