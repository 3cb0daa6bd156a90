"""Faults from outside: damaged data and checkpoints, killed ranks, training that diverges."""

import json
import os
import re
import shutil
import signal
import time

import numpy
import pytest
from program import (DATA, DIVERGED, MISSING, bits, checkpoint, checkpoints, flip, has_reached, step_of, steps_reported)
from safetensors.numpy import load_file

KILLED = 128 + signal.SIGKILL
LAST_ROW = 104


@pytest.fixture
def damaged(program, faces):
    """A copy of the data set to damage, and its only shard as the manifest describes it."""
    copy = shutil.copytree(faces, program.folder / "damaged")
    [shard] = json.loads((copy / "manifest.json").read_text())["shards"]
    return copy, shard


def image_bytes(shard):
    assert shard["n"] == LAST_ROW + 1
    return 32 * 32 * 3


@pytest.mark.parametrize("ranks", [None, 2])
def test_flipped_pixel_bit_is_detected_and_image_named(program, damaged, ranks):
    data, shard = damaged
    # The last image, which only the loader reads; the first ones are also read for reals.png.
    flip(data / shard["file"], shard["data_offset"] + LAST_ROW * image_bytes(shard) + 1000)
    result = program.train(ranks, f"data.path={data}", expect=DATA)
    assert f"{shard['file']} row {LAST_ROW}" in result.error
    assert "valley shard verify" in result.error


def test_flipped_bit_in_first_image_is_detected(program, damaged):
    data, shard = damaged
    flip(data / shard["file"], shard["data_offset"])
    assert f"{shard['file']} row 0 " in program.train(None, f"data.path={data}", expect=DATA).error


def test_verify_off_skips_checksums(program, damaged):
    data, shard = damaged
    flip(data / shard["file"], shard["data_offset"] + LAST_ROW * image_bytes(shard))
    program.train(None, f"data.path={data}", "data.verify=off")


@pytest.mark.parametrize("place", ["first", "before the pixels", "after the pixels", "last"])
def test_flipped_metadata_bit_is_detected(program, damaged, place):
    data, shard = damaged
    end = shard["data_offset"] + shard["n"] * image_bytes(shard)
    offset = {"first": 0, "before the pixels": shard["data_offset"] - 1, "after the pixels": end,
              "last": shard["bytes"] - 1}[place]
    flip(data / shard["file"], offset, bit=3)
    assert shard["file"] in program.train(None, f"data.path={data}", expect=DATA).error


@pytest.mark.parametrize("missing", [1, 4096, 331000])
def test_truncated_shard_is_detected(program, damaged, missing):
    data, shard = damaged
    os.truncate(data / shard["file"], shard["bytes"] - missing)
    assert shard["file"] in program.train(None, f"data.path={data}", expect=DATA).error


def test_missing_shard_is_named(program, damaged):
    data, shard = damaged
    (data / shard["file"]).unlink()
    assert shard["file"] in program.train(None, f"data.path={data}", expect=66).error


@pytest.fixture(scope="module")
def undamaged(shared_program):
    return shared_program.trained(None, "checkpoint.every=5")


@pytest.fixture
def two_checkpoints(program, undamaged):
    run = program.copy_of(undamaged)
    assert [step_of(c) for c in checkpoints(run)] == [5, 10]
    return run


@pytest.mark.parametrize("file", ["model.safetensors", "state.safetensors", "COMMIT"])
def test_damaged_checkpoint_is_skipped_with_a_warning(program, two_checkpoints, file):
    run = two_checkpoints
    whole = bits(checkpoint(run, 10))
    flip(checkpoint(run, 10) / file, (checkpoint(run, 10) / file).stat().st_size // 2)
    result = program.train(None, "--resume", run)
    [warning] = re.findall(r"^warning: .*", result.stderr, re.MULTILINE)
    assert "step-00000010" in warning
    assert "at step 5" in result.stderr
    assert bits(checkpoint(run, 10)) == whole
    assert steps_reported(run) == list(range(1, 11))


def test_run_with_damaged_checkpoints_only_is_rejected_and_kept(program, two_checkpoints):
    run = two_checkpoints
    for path in checkpoints(run):
        flip(path / "model.safetensors", 5000)
    before = {p: p.read_bytes() for p in (run / "checkpoints").rglob("*") if p.is_file()}
    result = program.train(None, "--resume", run, expect=DATA)
    assert str(run) in result.error
    assert "--resume none" in result.error
    assert {p: p.read_bytes() for p in (run / "checkpoints").rglob("*") if p.is_file()} == before
    assert steps_reported(run) == list(range(1, 11))


def test_sampling_run_with_damaged_checkpoints_only_is_a_data_error(program, two_checkpoints):
    """Exit code 66 is for a run without checkpoints."""
    for path in checkpoints(two_checkpoints):
        flip(path / "model.safetensors", 5000)
    for place in (two_checkpoints, two_checkpoints / "checkpoints"):
        result = program.call("sample", place, "--seeds", "0", "-o", program.folder / "p.png", expect=DATA)
        assert "every checkpoint is damaged" in result.error and str(place) in result.error
    for path in checkpoints(two_checkpoints):
        shutil.rmtree(path)
    program.call("sample", two_checkpoints, "--seeds", "0", "-o", program.folder / "p.png", expect=MISSING)


def test_named_checkpoint_that_is_damaged_is_rejected(program, two_checkpoints):
    path = checkpoint(two_checkpoints, 5)
    flip(path / "state.safetensors", 5000)
    assert str(path) in program.train(None, "--resume", path, expect=DATA).error


@pytest.mark.parametrize(("ranks", "victim"), [(2, 0), (2, 1), (4, 2)])
def test_killed_rank_ends_the_job_and_last_checkpoint_resumes(program, ranks, victim):
    options = "train.steps=1000", "checkpoint.every=3"
    with program.start_training(ranks, *options) as call:
        call.until(lambda: has_reached(program, 7)() and len(checkpoints(program.newest())) >= 2)
        os.kill(call.rank(victim), signal.SIGKILL)
        began = time.monotonic()
        result = call.wait()
        seconds = time.monotonic() - began
        left = call.processes()
    assert result.code == KILLED
    assert seconds < 10
    assert not left
    saved = step_of(checkpoint(program.newest()))
    assert saved >= 6
    resumed = program.train(ranks, f"train.steps={saved + 2}", "--resume", "auto")
    assert f"at step {saved}\n" in resumed.stderr
    assert steps_reported(program.newest()) == list(range(1, saved + 3))


def is_finite(path):
    tensors = load_file(path / "model.safetensors") | load_file(path / "state.safetensors")
    assert tensors.pop("schedule.best") > 0  # infinite until a window has ended
    return all(numpy.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize("ranks", [None, 2])
def test_divergence_saves_the_last_finite_state(program, ranks):
    result = program.train(ranks, "optimizer.lr=1e30", expect=DIVERGED)
    run = program.newest()
    [step] = re.findall(r"not finite in step (\d+)", result.error)
    assert "optimizer.lr" in result.error
    assert str(run / "checkpoints") in result.error
    assert step_of(checkpoint(run)) == int(step) - 1
    assert is_finite(checkpoint(run))
    assert json.loads((run / "exit.json").read_text())["exit_code"] == DIVERGED
    # Its weights may give samples beyond any range, but they load.
    program.call("sample", run, "--seeds", "0-3", "-o", program.folder / "samples.png")


def test_resumed_divergent_run_diverges_in_the_same_step(program):
    first = program.train(None, "optimizer.lr=1e30", expect=DIVERGED)
    again = program.train(None, "optimizer.lr=1e30", "--resume", "auto", expect=DIVERGED)
    assert re.findall(r"in step \d+", again.error) == re.findall(r"in step \d+", first.error)
