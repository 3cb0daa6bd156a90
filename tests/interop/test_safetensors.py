"""Files written by Valley and read by the safetensors package, and the reverse.

Needs the helper `safetensors_tool` of the build folder (environment VALLEY_BUILD, default: build/).
"""

import hashlib
import json
import os
import pathlib
import struct
import subprocess

import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build"))
TOOL = BUILD / "tests" / "storage" / "safetensors_tool"
TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
         torch.int8, torch.uint8, torch.bool]


def copy(source, target):
    return subprocess.run([TOOL, "copy", source, target], capture_output=True, text=True, timeout=60, check=False)


def samples():
    generator = torch.Generator().manual_seed(1)
    tensors = {f"tensors.{str(t).split('.')[-1]}": torch.randint(0, 2, (3, 5, 7), generator=generator).to(t) for t in TYPES}
    tensors["odd"] = torch.arange(3, dtype=torch.uint8)  # an odd length, so that its neighbors need care
    tensors["scalar"] = torch.tensor(0.1, dtype=torch.float64)
    tensors["empty"] = torch.empty(4, 0)
    tensors["special"] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    tensors["näme \"quoted\" \n"] = torch.ones(1)
    return tensors


METADATA = {"model.name": "began", "format": "pt", "unicode": "π \" \\ \n"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("safetensors")
    save_file(samples(), folder / "theirs.safetensors", metadata=METADATA)
    result = copy(folder / "theirs.safetensors", folder / "ours.safetensors")
    assert result.returncode == 0, result.stderr
    return folder


def bits(tensor):
    return tensor.contiguous().view(-1).view(torch.uint8) if tensor.numel() else tensor


def test_every_tensor_round_trips_through_both_readers(copied):
    read = load_file(copied / "ours.safetensors")
    expected = samples()
    assert read.keys() == expected.keys()
    for name, tensor in expected.items():
        assert read[name].dtype == tensor.dtype and read[name].shape == tensor.shape, name
        assert torch.equal(bits(read[name]), bits(tensor)), name


def test_safetensors_package_reads_slices_and_metadata(copied):
    with safe_open(copied / "ours.safetensors", framework="pt") as file:
        assert file.metadata() == METADATA
        whole = samples()["tensors.float32"]
        assert torch.equal(file.get_slice("tensors.float32")[1:, :, 2], whole[1:, :, 2])


def test_numpy_reads_written_files(tmp_path):
    save_file({"a": torch.arange(6.0).reshape(2, 3)}, tmp_path / "a.safetensors")
    assert copy(tmp_path / "a.safetensors", tmp_path / "b.safetensors").returncode == 0
    assert load_numpy(tmp_path / "b.safetensors")["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_data_is_aligned_and_writing_is_deterministic(copied):
    ours = (copied / "ours.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", ours[:8])
    assert (8 + length) % 64 == 0
    header = json.loads(ours[8 : 8 + length])
    names = [name for name in header if name != "__metadata__"]
    assert names == sorted(names, key=lambda name: name.encode())
    widths = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
    for name in names:
        assert header[name]["data_offsets"][0] % widths[header[name]["dtype"]] == 0, name
    assert copy(copied / "ours.safetensors", copied / "again.safetensors").returncode == 0
    assert hashlib.sha256((copied / "again.safetensors").read_bytes()).digest() == hashlib.sha256(ours).digest()


def test_files_rejected_by_the_package_are_rejected(tmp_path):
    save_file({"a": torch.arange(6.0)}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    for bytes_ in (whole[:-1], whole + b"x", whole.replace(b"F32", b"Q32"), b"\xff" * 8 + whole[8:]):
        damaged.write_bytes(bytes_)
        with pytest.raises(Exception, match="(?i)header|deserializ|variant|invalid"):
            load_file(damaged)
        result = copy(damaged, tmp_path / "out.safetensors")
        assert result.returncode == 65 and str(damaged) in result.stderr
        assert not (tmp_path / "out.safetensors").exists()
