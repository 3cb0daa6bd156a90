"""Archives that try to harm the program that reads them."""

import io
import struct
import tarfile
import zipfile
import zlib


def add(archive, name, content=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    archive.addfile(info, io.BytesIO(content))


def traversing_tar(path, image):
    with tarfile.open(path, "w") as archive:
        for name in ("../up.png", "/etc/root.png", "a/../../up.png", "twice.png", "twice.png", "ok.png"):
            add(archive, name, image)
        add(archive, "link.png", kind=tarfile.SYMTYPE, link="/etc/passwd")
        add(archive, "hard.png", kind=tarfile.LNKTYPE, link="../up.png")
        add(archive, "pipe.png", kind=tarfile.FIFOTYPE)
        add(archive, "device.png", kind=tarfile.CHRTYPE)
    return {"../up.png": "unsafe path", "/etc/root.png": "unsafe path", "a/../../up.png": "unsafe path", "twice.png": "duplicate path",
            "link.png": "not a regular file", "hard.png": "not a regular file", "pipe.png": "not a regular file",
            "device.png": "not a regular file"}


def traversing_zip(path, image):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../up.png", "/etc/root.png", "twice.png", "twice.png", "ok.png"):
            archive.writestr(name, image)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return {"../up.png": "unsafe path", "/etc/root.png": "unsafe path", "twice.png": "duplicate path", "link.png": "not a regular file"}


def timeless_tar(path, image):
    """Times of change that do not fit into 64 bits as nanoseconds."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, seconds in (("ok.png", -(2**63)), ("late.png", 2**63 - 1), ("early.png", -1)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(image), seconds
            archive.addfile(info, io.BytesIO(image))
    return {}


def encrypted_zip(path, image):
    """Marks a member as encrypted, in its own header and in the directory."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("secret.png", image)
        archive.writestr("ok.png", image)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature)
        data[at + offset] |= 1
    path.write_bytes(data)
    return {"secret.png": "encrypted"}


def bomb_png(side):
    """A small file of side x side black pixels."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + 3 * side)) for _ in range(side)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(b"IDAT", rows) +
            chunk(b"IEND", b""))


def bomb_zip(path, image):
    """A member of 512 MiB of zeros in 512 KiB, and a small PNG of 81 million pixels."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros.png", "w", force_zip64=True) as member:
            for _ in range(512):
                member.write(bytes(1 << 20))
        archive.writestr("pixels.png", bomb_png(9000))
        archive.writestr("ok.png", image)
    return {"zeros.png": "too large", "pixels.png": "too large"}


def bomb_tar(path, image):
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("zeros.png")
        info.size = 400 << 20
        with open("/dev/zero", "rb") as zeros:
            archive.addfile(info, zeros)
        add(archive, "pixels.png", bomb_png(9000))
        add(archive, "ok.png", image)
    return {"zeros.png": "too large", "pixels.png": "too large"}


ARCHIVES = {"traversing.tar": traversing_tar, "timeless.tar": timeless_tar, "traversing.zip": traversing_zip,
            "encrypted.zip": encrypted_zip, "bomb.zip": bomb_zip, "bomb.tar.gz": bomb_tar}
