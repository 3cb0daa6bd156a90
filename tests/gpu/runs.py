"""What a run leaves behind: statistics, checkpoints, tensors."""

import hashlib
import json
import math
import struct

from step import Failed


def run_folder(out):
    folders = sorted(path.parent for path in out.glob("[0-9]*/config.toml"))
    if not folders:
        raise Failed(f"no run in {out}")
    return folders[-1]


def reports(run):
    """The reports of stats.jsonl; the last line may still be incomplete."""
    file = run / "stats.jsonl"
    text = file.read_text() if file.exists() else ""
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if "event" not in line]


def last_step(out):
    """The last reported step of the newest run in `out`, 0 while there is none."""
    runs = sorted(path.parent for path in out.glob("[0-9]*/config.toml"))
    lines = reports(runs[-1]) if runs else []
    return lines[-1]["step"] if lines else 0


def checkpoint(run, step):
    folder = run / "checkpoints" / f"step-{step:08}"
    if not (folder / "COMMIT").exists():
        raise Failed(f"no complete checkpoint of step {step} in {run}")
    return folder


def tensors(file):
    """Name -> (type, shape, bytes) of a safetensors file."""
    content = file.read_bytes()
    [length] = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    return {name: (entry["dtype"], entry["shape"], content[8 + length:][slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def digest(folder):
    """SHA-256 of all tensors of a checkpoint. The metadata are left out, as they name the settings."""
    sha = hashlib.sha256()
    for name in ("model.safetensors", "state.safetensors"):
        for tensor, (kind, shape, data) in sorted(tensors(folder / name).items()):
            sha.update(f"{name} {tensor} {kind} {shape}\n".encode())
            sha.update(data)
    return sha.hexdigest()


def numbers(value, name=""):
    """All numbers of a JSON value, by their paths."""
    if isinstance(value, dict):
        return {path: number for key, part in value.items() for path, number in numbers(part, f"{name}/{key}").items()}
    if isinstance(value, list):
        return {path: number for key, part in enumerate(value) for path, number in numbers(part, f"{name}/{key}").items()}
    return {name: value} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}


def relative_difference(ours, theirs, floor=0.0):
    """|ours - theirs| relative to the larger one, which counts as `floor` at least."""
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return math.inf
    return abs(ours - theirs) / max(abs(ours), abs(theirs), floor, 1e-30)


def largest_difference(ours, theirs, floor=0.0):
    """The name and relative difference of the pair of numbers that differ most; both sides have the same names."""
    if ours.keys() != theirs.keys() or not ours:
        raise Failed(f"different values are reported: {sorted(ours.keys() ^ theirs.keys())[:3]}")
    return max(((name, relative_difference(ours[name], theirs[name], floor)) for name in ours), key=lambda pair: pair[1])
