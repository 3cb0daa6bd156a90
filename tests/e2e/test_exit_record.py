"""exit.json records how a launch ended, for failures of any rank; a rejected launch changes no file."""

import json
import resource
import shutil

import pytest
from program import CONFIG, DATA, checkpoint, flip, has_reached

OUT_OF_MEMORY = 71
RANK_ONE_ROW = 60  # an image that rank 1 of two has in the first step


def end_of(run):
    return json.loads((run / "exit.json").read_text())


def starts_of(run):
    return json.loads((run / "run.json").read_text())


@pytest.fixture
def damaged(program, faces):
    """A copy of the data set with a damaged image that rank 1 of two reads."""
    copy = shutil.copytree(faces, program.folder / "damaged")
    [shard] = json.loads((copy / "manifest.json").read_text())["shards"]
    flip(copy / shard["file"], shard["data_offset"] + RANK_ONE_ROW * 32 * 32 * 3)
    return copy


def test_failure_of_rank_1_is_recorded_in_exit_json(program, damaged, faces):
    result = program.train(2, f"data.path={damaged}", expect=DATA)
    assert result.errors[0].startswith("[1] ")
    run = program.newest()
    end = end_of(run)
    assert end["exit_code"] == DATA
    assert f"row {RANK_ONE_ROW} " in end["why"]
    assert end["failed"].startswith("rank 1 on host ")
    # Only rank 0 writes run.json; the next launch adds the failure.
    assert "exit_code" not in starts_of(run)[-1]
    program.train(2, f"data.path={faces}", "--resume", "auto")
    first, second = starts_of(run)
    assert (first["exit_code"], first["failed"]) == (DATA, end["failed"])
    assert (second["exit_code"], end_of(run)["exit_code"]) == (0, 0)


def test_out_of_memory_is_recorded_in_exit_json(program):
    # A resumed run draws no grid at its start, so the first one needs memory that the process never had: its images as float take
    # 36 MiB, which nothing before it freed.
    program.train(None, "train.steps=2", "checkpoint.every=2")
    with program.start_training(None, "--resume", "auto", "train.steps=80", "samples.every=60", "samples.grid=64x48") as call:
        call.until(has_reached(program, 3))
        resource.prlimit(call.process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        result = call.wait()
    assert result.code == OUT_OF_MEMORY, result.stderr
    assert "train.microbatch" in result.stderr
    assert end_of(program.newest())["exit_code"] == OUT_OF_MEMORY
    assert starts_of(program.newest())[-1]["exit_code"] == OUT_OF_MEMORY


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def other_data(program):
    fewer = program.folder / "fewer"
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F637", "--resolution", "32",
                 "--dest", fewer, "--jobs", "1")
    return f"data.path={fewer}"


@pytest.mark.parametrize("ranks", [None, 2])
def test_rejected_resume_on_other_data_changes_nothing(program, other_data, ranks):
    run = program.trained(None, "train.steps=4", "checkpoint.every=2")
    before = everything(program.out)
    # The run, and an older checkpoint of it, which would start a new run.
    for place in ("auto", checkpoint(run, 2)):
        program.train(ranks, "--resume", place, other_data, "train.steps=6", expect=CONFIG)
        assert everything(program.out) == before


def test_rejected_resume_of_another_model_changes_nothing(program):
    run = program.trained(None, "train.steps=4", "checkpoint.every=2")
    before = everything(program.out)
    program.train(None, "--resume", checkpoint(run, 2), "model.width=8", expect=CONFIG)
    assert everything(program.out) == before
