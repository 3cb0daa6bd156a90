"""The decoders of the program and of Debian's Pillow, as two processes that decode file by file."""

import dataclasses
import os
import pathlib
import subprocess

import numpy as np
from valley_program import BUILD

SYSTEM_PYTHON = "/usr/bin/python3"
PEER = pathlib.Path(__file__).with_name("pillow_peer.py")


class Decoder:
    """`decode` returns pixels [H, W, 3], or the reason for rejecting the file."""

    def __init__(self, command, cwd=None):
        # Pillow warns about unusual files; thousands of lines would hide the result.
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def decode(self, path):
        self.process.stdin.write(os.fsencode(path) + b"\0")
        self.process.stdin.flush()
        header = self.process.stdout.readline().decode(errors="replace")
        assert header, f"{path}: the decoder ended with {self.process.wait(timeout=60)}"
        if header.startswith("- "):
            return header[2:].strip()
        height, width, channels = map(int, header.split())
        data = self.process.stdout.read(height * width * channels)
        pixels = np.frombuffer(data, np.uint8).reshape(height, width, channels)
        return np.broadcast_to(pixels, (height, width, 3))


def valley_decoder(cwd=None):
    return Decoder([BUILD / "tests" / "image" / "decode_tool"], cwd)


def pillow_decoder(cwd=None):
    return Decoder([SYSTEM_PYTHON, "-W", "ignore", PEER, "decode"], cwd)


@dataclasses.dataclass
class Comparison:
    path: pathlib.Path
    kind: str  # one of KINDS
    detail: str = ""


EQUAL, DIFFERENT, ONLY_VALLEY, ONLY_PILLOW, NEITHER = KINDS = (
    "accepted by both, equal", "accepted by both, pixels differ", "accepted only by Valley", "accepted only by Pillow",
    "rejected by both")


def compare(path, valley, pillow):
    """Results of both decoders for one file."""
    ours, theirs = valley.decode(path), pillow.decode(path)
    if isinstance(ours, str) and isinstance(theirs, str):
        return Comparison(path, NEITHER, f"Valley: {ours}; Pillow: {theirs}")
    if isinstance(ours, str):
        return Comparison(path, ONLY_PILLOW, f"Valley: {ours}")
    if isinstance(theirs, str):
        return Comparison(path, ONLY_VALLEY, f"Pillow: {theirs}")
    if ours.shape != theirs.shape:
        return Comparison(path, DIFFERENT, f"{ours.shape[1]}x{ours.shape[0]}, in Pillow {theirs.shape[1]}x{theirs.shape[0]}")
    distance = np.abs(ours.astype(np.int16) - theirs.astype(np.int16)).max(axis=2)
    if not distance.any():
        return Comparison(path, EQUAL)
    return Comparison(path, DIFFERENT, f"{np.count_nonzero(distance)} of {distance.size} pixels, by at most {distance.max()}")
