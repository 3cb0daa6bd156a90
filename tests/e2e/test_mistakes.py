"""A user's mistake: refused before anything is made, with the documented exit code, in one message that names the way out."""

import pytest
from program import CANNOT_WRITE, CONFIG, MISSING, USAGE


def test_a_config_that_does_not_exist(program):
    result = program.train(None, config=program.folder / "none.toml", expect=MISSING)
    assert str(program.folder / "none.toml") in result.error


def test_data_that_do_not_exist(program):
    result = program.train(None, "data.path=nowhere/faces", expect=MISSING)
    assert "nowhere/faces" in result.error
    assert "valley shard build" in result.error
    assert not program.out.exists()


def test_data_that_are_not_set(program):
    config = program.folder / "empty.toml"
    config.write_text("[model]\nresolution = 32\n")
    assert "data.path" in program.train(None, config=config, expect=CONFIG).error


def test_a_misspelt_key_in_the_file_is_refused_with_its_place_and_the_nearest(program):
    config = program.folder / "typo.toml"
    config.write_text(program.config.read_text().replace("global_batch", "globl_batch"))
    [line] = [i for i, text in enumerate(config.read_text().splitlines(), 1) if "globl_batch" in text]
    error = program.train(None, config=config, expect=CONFIG).error
    assert f"{config}:{line}" in error
    assert "train.globl_batch" in error
    assert 'did you mean "train.global_batch"?' in error


def test_a_misspelt_key_on_the_command_line(program):
    error = program.train(None, "optimizer.learning_rate=1", "optimizer.epsilom=1", expect=CONFIG).error
    assert "command line" in error
    assert "optimizer.learning_rate" in error


@pytest.mark.parametrize(("override", "says"), [
    ("train.steps=0", ">= 1"),
    ("train.steps=many", "integer"),
    ("objective.gamma=1.5", "<= 1"),
    ("model.name=bgan", "did you mean \"began\"?"),
    ("train.epochs=2", "only one of train.steps"),
    ("samples.grid=8", "columns x rows"),
    ("train.microbatch=5", "works"),
])
def test_a_value_that_is_not_possible(program, override, says):
    error = program.train(None, override, expect=CONFIG).error
    assert override.split("=")[0] in error
    assert says in error
    assert not program.out.exists()


def test_another_resolution_than_that_of_the_data(program, faces):
    error = program.train(None, "model.resolution=64", expect=CONFIG).error
    assert str(faces) in error
    assert "32x32" in error
    assert "model.resolution = 64" in error
    assert not program.out.exists()


def test_a_gpu_where_there_is_none(program):
    version = program.call("--version").stdout
    if "driver: none" not in version and "CUDA and NCCL" in version:
        pytest.skip("this machine may have a GPU")
    assert "train.device" in program.train(None, "train.device=cuda", expect=CONFIG).error


@pytest.mark.parametrize("arguments", [
    [], ["trane"], ["train"], ["train", "--no-such-option"], ["train", "--keys", "nothing.like.it"], ["sample"],
    ["sample", "runs"], ["shard"], ["shard", "build"], ["shard", "verify"], ["train", "--resume"],
])
def test_a_wrong_command_line(program, arguments):
    result = program.call(*arguments, expect=USAGE)
    assert result.stderr.strip()
    assert not result.stdout


def test_a_file_where_the_folder_of_runs_should_be(program):
    program.out.write_text("in the way")
    result = program.train(None, expect=CANNOT_WRITE)
    assert str(program.out) in result.error
    assert program.out.read_text() == "in the way"


SHARED_MISTAKES = {
    "missing config": (["none.toml"], MISSING),
    "missing data": (["data.path=nowhere"], MISSING),
    "misspelt key": (["train.stepz=3"], CONFIG),
    "wrong resolution": (["model.resolution=64"], CONFIG),
    "uneven microbatches": (["train.microbatch=8"], CONFIG),
    "no such run": (["--resume", "nowhere"], MISSING),
}


@pytest.mark.parametrize("mistake", SHARED_MISTAKES)
def test_what_is_wrong_on_all_ranks_is_said_once(program, mistake):
    arguments, code = SHARED_MISTAKES[mistake]
    config = program.folder / arguments.pop() if arguments[0].endswith(".toml") else None
    result = program.train(4, *arguments, config=config, expect=code)
    assert len(result.errors) == 1
    assert result.errors[0].startswith("[0] ")


def test_a_wrong_command_line_under_the_launcher_is_said_once(program):
    result = program.call("train", "--no-such-option", ranks=4, expect=USAGE)
    assert result.stderr.count("--no-such-option") == 1
