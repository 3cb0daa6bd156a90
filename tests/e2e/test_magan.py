"""Training of MAGAN and related objectives: margins that follow from stats.jsonl, on any number of ranks and after
interruptions."""

import math
import os
import signal

import pytest
from program import bits, checkpoint, checkpoints, has_reached, reports, stats, step_of

REPRODUCIBLE = "train.reproducible=true"
EPOCH = 105 // 16  # steps: of 105 images, 16 a step
WHOLE = 10 * EPOCH
MAGAN = ("objective.name=magan", "model.name=magan", "objective.pretrain_epochs=1", "optimizer.lr=0.002", REPRODUCIBLE)
OTHERS = {
    "ebgan": ("objective.name=ebgan", "model.name=ebgan"),
    "pulling_away": ("objective.name=ebgan", "model.name=ebgan", "objective.pulling_away=squared"),
    "shared_began": ("train.schedule=shared",),
}


def steps(number):
    return f"train.steps={number}"


def epochs(run):
    return [line for line in stats(run) if line.get("event") == "epoch"]


@pytest.fixture(scope="module")
def straight(shared_program):
    return shared_program.trained(None, *MAGAN, steps(WHOLE))


def test_margins_follow_from_the_three_conditions(straight):
    margin, previous, cuts = 0.0, math.inf, 0
    lines = epochs(straight)
    assert [line["step"] for line in lines] == list(range(EPOCH, WHOLE + 1, EPOCH))
    assert [line["stage"] for line in lines] == ["pretrain", "measure"] + 8 * ["adversarial"]
    for line in lines:
        assert line["margin"] == margin and line["steps"] == EPOCH
        mean = line["S_D"] / line["steps"]
        if line["stage"] == "measure":
            margin = mean
        if line["stage"] == "adversarial":
            assert line["S_G_previous"] == (None if previous == math.inf else previous)
            if line["S_G"] > previous and line["S_D"] < line["S_G"] and mean < margin:
                margin, cuts = mean, cuts + 1
            previous = line["S_G"]
        assert line["margin_next"] == margin
    assert cuts > 0, "a run in which nothing happens shows nothing"


def test_reported_sums_and_margins_match_the_steps(straight):
    by_step = {line["step"]: line for line in reports(straight)}
    for line in epochs(straight):
        of_epoch = [by_step[step] for step in range(line["step"] - EPOCH + 1, line["step"] + 1)]
        assert sum(report["energy/real"] for report in of_epoch) == pytest.approx(line["S_D"], rel=1e-9)
        if line["stage"] == "adversarial":
            assert sum(report["loss/G"] for report in of_epoch) == pytest.approx(line["S_G"], rel=1e-9)
            assert {report["margin"] for report in of_epoch} == {line["margin"]}


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_margins_are_equal_on_any_number_of_ranks(program, straight, ranks):
    run = program.trained(ranks, *MAGAN, steps(WHOLE))
    assert epochs(run) == epochs(straight)
    assert bits(checkpoint(run)) == bits(checkpoint(straight))


def test_kill_within_an_epoch_resumes_bitwise_equal(program, straight):
    every = "checkpoint.every=5"
    with program.start_training(2, *MAGAN, steps(1000), every) as call:
        call.until(has_reached(program, 4 * EPOCH + 4))
        os.kill(call.rank(1), signal.SIGKILL)
        call.wait()
    run = program.newest()
    assert step_of(checkpoints(run)[-1]) % EPOCH != 0
    program.train(4, *MAGAN, steps(WHOLE), every, "--resume", "auto")
    assert program.runs() == [run]
    assert epochs(run) == epochs(straight)
    assert bits(checkpoint(run)) == bits(checkpoint(straight))


@pytest.mark.parametrize("name", OTHERS)
def test_objectives_are_bitwise_equal_across_ranks_and_a_stop(program, name):
    settings = (*OTHERS[name], REPRODUCIBLE)
    whole = program.trained(None, *settings, steps(8))
    half = program.trained(4, *settings, steps(5))
    program.train(2, *settings, steps(8), "--resume", half)
    assert bits(checkpoint(half, 8)) == bits(checkpoint(whole, 8))
