"""`valley sample` of an invalid or hostile model file: exit code 65, one line with file and key, no large allocations."""

import json
import os
import resource
import struct
import subprocess

import pytest
from program import DATA, VALLEY, checkpoint, measured
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

GIBIBYTE = 1 << 30


@pytest.fixture(scope="module")
def whole(shared_program):
    """Tensors and metadata of a valid model."""
    file = checkpoint(shared_program.trained(None, "train.steps=1")) / "model.safetensors"
    with safe_open(file, framework="numpy") as opened:
        return load_file(file), opened.metadata()


@pytest.fixture
def refused(program):
    """Samples a file and returns the error. Peak memory must be close to that of an empty process."""
    def sample(file):
        arguments = [VALLEY, "sample", file, "--seeds", "0-3", "-o", program.folder / "p.png"]
        cost = measured(arguments, program.folder)
        error = cost.stderr
        assert cost.code == DATA, error
        assert cost.memory < GIBIBYTE
        assert error.startswith("error: ") and error.count("\n") == 1
        assert str(file) in error
        assert not (program.folder / "p.png").exists()
        return error
    return sample


def write(program, whole, tensors=None, without=(), **metadata):
    file = program.folder / "model.safetensors"
    sound, said = whole
    kept = {key: value for key, value in (said | metadata).items() if key not in without}
    save_file(sound if tensors is None else tensors, file, kept)
    return file


@pytest.mark.parametrize(("key", "value", "says"), [
    ("model.width", "20000", "shape"),
    ("model.width", "65536", "shape"),
    ("model.latent", "60000", "shape"),
    ("model.hidden", "60000", "shape"),
    ("model.resolution", "512", "holds no tensor"),
    ("model.latent", "4611686018427387904", "model.latent"),
    ("model.width", "9223372036854775807", "model.width"),
    ("model.width", "9223372036854775808", "model.width"),
    ("model.hidden", "-1", "model.hidden"),
    ("model.hidden", "eight", "model.hidden"),
    ("model.resolution", "17", "model.resolution"),
    ("model.channels", "2", "model.channels"),
    ("model.channels", "", "model.channels"),
    ("model.name", "bgan", "model.name"),
    ("model.skip_connections", "yes", "model.skip_connections"),
    ("model.downsample", "twice", "model.downsample"),
    ("format", "pt", "format"),
    ("format_version", "2", "format_version"),
])
def test_metadata_that_do_not_match_tensors_are_rejected(program, whole, refused, key, value, says):
    assert says in refused(write(program, whole, **{key: value}))


@pytest.mark.parametrize("key", ["format", "format_version", "model.name", "model.width", "model.skip_connections"])
def test_metadata_without_a_key_are_rejected(program, whole, refused, key):
    assert key in refused(write(program, whole, without=[key]))


def test_tensors_of_wrong_type_or_shape_are_rejected(program, whole, refused):
    name = "generator_ema.linear.weight"
    assert "F64" in refused(write(program, whole, whole[0] | {name: whole[0][name].astype("f8")}))
    assert "shape" in refused(write(program, whole, whole[0] | {name: whole[0][name].T.copy()}))
    assert name in refused(write(program, whole, {k: v for k, v in whole[0].items() if k != name}))


def test_unused_tensor_of_a_terabyte_is_not_read(program, whole):
    """A sparse file needs no disk space, but reading it would exhaust memory."""
    file = write(program, whole)
    size = file.stat().st_size
    content = file.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    begin = size - 8 - length
    header["more"] = {"dtype": "U8", "shape": [1 << 40], "data_offsets": [begin, begin + (1 << 40)]}
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length:])
    os.truncate(file, file.stat().st_size + (1 << 40))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (GIBIBYTE, GIBIBYTE))

    subprocess.run([VALLEY, "sample", file, "--seeds", "0", "-o", program.folder / "p.png"], check=True, timeout=60,
                   preexec_fn=limit)
    assert (program.folder / "p.png").exists()


@pytest.mark.parametrize(("prefix", "value"), [("generator", float("nan")), ("generator_ema", float("inf"))])
def test_values_that_are_not_finite_are_rejected(program, whole, faces, refused, prefix, value):
    tensors = {name: tensor.copy() for name, tensor in whole[0].items()}
    for name in tensors:
        if name.startswith(("generator.output", "generator_ema.output")):
            tensors[name].flat[0] = 0
    name = next(name for name in tensors if name.startswith(f"{prefix}.") and name.endswith("output.weight"))
    tensors[name].flat[0] = value
    if prefix == "generator":
        assert program.call("sample", write(program, whole, tensors), "-o", program.folder / "sound.png")  # averaged: not read
        tensors[name.replace("generator.", "generator_ema.")].flat[0] = value
    file = write(program, whole, tensors)
    assert 'output.weight" are not finite' in refused(file)
    error = program.call("evaluate", file, "--data", faces, "--count", "8", expect=DATA).error
    assert str(file) in error and "not finite" in error


def test_samples_that_are_not_finite_are_rejected(program, whole, refused):
    tensors = {name: tensor.copy() for name, tensor in whole[0].items()}
    for name in tensors:
        if name.startswith("generator_ema."):
            tensors[name].fill(3e38)
    assert "4 of 4 generated images" in refused(write(program, whole, tensors))


def with_tensor(file, name, dtype, shape, data):
    """The file with one more tensor at its end, which replaces a tensor of the same name."""
    content = file.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    begin = len(content) - 8 - length
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + len(data)]}
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length:] + data)
    return file


def test_tensors_of_unknown_types_are_ignored(program, whole, refused):
    """Also for names that start with the name of a network."""
    file = write(program, whole)
    for dtype, shape, size in [("F8_E4M3", [8], 8), ("F4", [6], 3), ("F6_E2M3", [4], 3), ("U16", [4], 8), ("U64", [1], 8), ("C64", [1], 8),
                               ("T5_OF_2040", [7], 12)]:
        with_tensor(file, f"generator_ema.{dtype}", dtype, shape, bytes(size))
    subprocess.run([VALLEY, "sample", file, "--seeds", "0", "-o", program.folder / "p.png"], check=True, timeout=60)
    (program.folder / "p.png").unlink()
    name = "generator_ema.linear.weight"
    tensors = {key: value for key, value in whole[0].items() if key != name}
    wanted = with_tensor(write(program, whole, tensors), name, "F8_E4M3", list(whole[0][name].shape), bytes(whole[0][name].size))
    message = refused(wanted)
    assert name in message and "F8_E4M3" in message and "F32" in message
    assert "whole bytes" in refused(with_tensor(write(program, whole), "odd", "F4", [3], bytes(2)))
