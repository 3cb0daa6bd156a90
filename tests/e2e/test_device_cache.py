"""performance.device_cache changes the source of batches but not the result."""

import pytest
from program import CONFIG, checkpoint
from safetensors.numpy import load_file

STEPS = 20
OPTIONS = ("train.reproducible=true", f"train.steps={STEPS}", "data.mirror=true")
SAYS = "images of the data set ("


def tensors(run):
    """The bytes of all tensors after the last step; the metadata name the setting itself."""
    path = checkpoint(run, STEPS)
    return {name: value.tobytes() for file in ("model.safetensors", "state.safetensors")
            for name, value in load_file(path / file).items()}


@pytest.fixture(scope="module")
def read(shared_program):
    """Final checkpoint of a training that reads batches from the shards."""
    result = shared_program.train(None, *OPTIONS)
    assert SAYS not in result.stderr
    return tensors(shared_program.newest())


@pytest.mark.parametrize("choice, ranks", [("on", None), ("true", 2)])
def test_device_cache_is_bitwise_equal_to_read_batches(shared_program, read, choice, ranks):
    result = shared_program.train(ranks, *OPTIONS, f"performance.device_cache={choice}")
    assert result.stderr.count(SAYS) == (ranks or 1), result.stderr
    assert tensors(shared_program.newest()) == read


def test_auto_device_cache_is_off_until_validated(shared_program):
    result = shared_program.train(None, *OPTIONS, "train.steps=1", "performance.device_cache=auto")
    assert SAYS not in result.stderr


def test_resume_may_change_device_cache(shared_program, read):
    shared_program.train(None, *OPTIONS, "train.steps=7", "performance.device_cache=on")
    run = shared_program.newest()
    shared_program.train(None, *OPTIONS, "performance.device_cache=off", "--resume", run)
    assert tensors(run) == read


def test_unknown_device_cache_value_is_rejected(shared_program):
    result = shared_program.train(None, *OPTIONS, "performance.device_cache=gpu", expect=CONFIG)
    assert "performance.device_cache" in result.error and "auto" in result.error
