"""Resume is exact: in the middle of an epoch, on another number of ranks, after a signal, after a kill."""

import errno
import os
import re
import signal

import pytest
from program import (CONFIG, MISSING, STOPPED, USAGE, bits, checkpoint, checkpoints, has_reached, reports, stats, step_of,
                     steps_reported)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 105 images in batches of 16: an epoch ends within step 7, so neither of these lies at an epoch's end.
HALF, WHOLE = 10, 20


def steps(n):
    return f"train.steps={n}"


@pytest.fixture(scope="module")
def straight(shared_program):
    """A run of all steps in one go."""
    return shared_program.trained(None, steps(WHOLE))


@pytest.fixture(scope="module")
def first_half(shared_program):
    return shared_program.trained(None, steps(HALF))


@pytest.fixture(scope="module")
def saved_twice(shared_program):
    return shared_program.trained(None, steps(WHOLE), f"checkpoint.every={HALF}")


def bits_of(run):
    return bits(checkpoint(run, WHOLE))


def test_half_and_the_rest_is_the_whole(program, straight, first_half):
    half = program.copy_of(first_half)
    assert bits(checkpoint(half)) != bits_of(straight)
    result = program.train(None, steps(WHOLE), "--resume", half)
    assert f"at step {HALF}" in result.stderr
    assert program.runs() == [half]
    assert bits_of(half) == bits_of(straight)
    assert steps_reported(half) == list(range(1, WHOLE + 1))


def test_the_restart_reports_what_the_whole_run_reports(program, straight, first_half):
    half = program.copy_of(first_half)
    program.train(None, steps(WHOLE), "--resume", half)
    measured = ("step", "images", "loss/D", "loss/G", "k", "M", "grad_norm/D", "grad_norm/G")
    assert [[line[key] for key in measured] for line in reports(half)] == \
           [[line[key] for key in measured] for line in reports(straight)]


def test_a_run_that_stored_true_or_false_for_what_is_auto_now_resumes(program, straight, first_half):
    half = program.copy_of(first_half)
    config = half / "config.toml"
    text = config.read_text()
    for key, old in ("cuda_graph", "false"), ("device_cache", '"off"'):
        assert f'{key} = "auto"' in text
        text = text.replace(f'{key} = "auto"', f"{key} = {old}")
    config.write_text(text)
    program.train(None, steps(WHOLE), "--resume", half)
    assert bits_of(half) == bits_of(straight)


def test_resume_auto_takes_the_newest_run(program, straight, first_half):
    program.train(None, steps(3))
    half = program.copy_of(first_half)
    program.train(None, steps(WHOLE), "--resume", "auto")
    assert len(program.runs()) == 2
    assert bits_of(half) == bits_of(straight)


def test_resume_auto_without_a_run_starts_one(program):
    program.train(None, steps(2), "--resume", "auto")
    assert steps_reported(program.newest()) == [1, 2]


def test_a_run_needs_no_config_to_go_on(program, straight, first_half):
    half = program.copy_of(first_half)
    program.call("train", "--resume", half, steps(WHOLE), "--out", program.out)
    assert bits_of(half) == bits_of(straight)


def test_a_checkpoint_that_is_not_the_newest_starts_a_new_run(program, straight, saved_twice):
    old = program.copy_of(saved_twice)
    before = bits_of(old)
    program.train(None, steps(WHOLE), "--resume", checkpoint(old, HALF))
    assert len(program.runs()) == 2
    assert bits_of(program.newest()) == before == bits_of(straight)
    assert steps_reported(program.newest()) == list(range(HALF + 1, WHOLE + 1))


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_run_from_an_older_checkpoint_has_it_from_the_start(program, saved_twice, ranks):
    old = program.copy_of(saved_twice)
    program.train(ranks, steps(HALF - 1), "--resume", checkpoint(old, HALF))  # nothing left to do
    fork = program.newest()
    assert fork != old
    assert bits(checkpoint(fork, HALF)) == bits(checkpoint(old, HALF))


def test_a_slash_at_the_end_changes_nothing(program, straight, first_half):
    half = program.copy_of(first_half)
    program.call("train", "--resume", f"{checkpoint(half)}/", steps(WHOLE), "--out", program.out)
    assert program.runs() == [half]
    assert bits_of(half) == bits_of(straight)


def test_what_four_ranks_begin_one_ends_as_two_would(program):
    mode = "train.reproducible=true"
    whole = program.trained(2, mode, steps(WHOLE))
    half = program.trained(4, mode, steps(HALF))
    program.train(1, mode, steps(WHOLE), "--resume", half)
    assert bits_of(half) == bits_of(whole)


@pytest.mark.parametrize("ranks", [None, 2])
def test_checkpoints_written_meanwhile_are_those_that_training_waited_for(program, ranks):
    """Each is the state of its step, however far training has come when its bytes are written."""
    runs = [program.trained(ranks, "checkpoint.every=1", "checkpoint.keep=0", f"checkpoint.background={background}")
            for background in ("true", "false")]
    for step in range(1, 11):
        assert bits(checkpoint(runs[0], step)) == bits(checkpoint(runs[1], step)), step
    for run in runs:
        assert re.search(r"9 checkpoints between steps, for which training stood still [\d.]+ ms each",
                         (run / "log.txt").read_text())


def test_a_finished_run_has_nothing_to_do(program):
    run = program.trained(None, steps(3))
    before = bits(checkpoint(run, 3)), stats(run)
    result = program.train(None, steps(3), "--resume", run)
    assert "nothing to do" in result.stderr
    assert (bits(checkpoint(run, 3)), stats(run)) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_after_a_checkpoint_and_the_run_goes_on(program, straight, number):
    with program.start_training(None, steps(WHOLE)) as call:
        call.until(has_reached(program, 3))
        call.process.send_signal(number)
        result = call.wait()
    run = program.newest()
    assert result.code == STOPPED
    assert "--resume" in result.stderr
    [stopped_at] = map(step_of, checkpoints(run))
    assert 3 <= stopped_at < WHOLE
    program.train(None, steps(WHOLE), "--resume", "auto")
    assert bits_of(run) == bits_of(straight)
    assert steps_reported(run) == list(range(1, WHOLE + 1))


def test_a_signal_through_the_launcher_stops_all_ranks(program):
    with program.start_training(2, steps(1000)) as call:
        call.until(has_reached(program, 3))
        call.process.send_signal(signal.SIGUSR1)
        result = call.wait()
        assert not call.processes()
    assert result.code == STOPPED
    assert not result.errors
    [stopped_at] = map(step_of, checkpoints(program.newest()))
    program.train(2, steps(stopped_at + 2), "--resume", "auto")
    assert steps_reported(program.newest()) == list(range(1, stopped_at + 3))


def test_a_signal_leaves_a_report_of_the_last_step(program):
    with program.start_training(None, steps(100_000), "train.report_every=50000") as call:
        call.until(has_reached(program, 1))
        call.process.send_signal(signal.SIGUSR1)
        assert call.wait().code == STOPPED
    run = program.newest()
    [stopped_at] = map(step_of, checkpoints(run))
    assert stopped_at > 1
    assert steps_reported(run) == [1, stopped_at]
    losses = EventAccumulator(str(run)).Reload().Scalars("loss/D")
    assert [event.step for event in losses] == [1, stopped_at]
    program.train(None, steps(stopped_at + 1), "--resume", "auto")
    assert steps_reported(run) == [1, stopped_at, stopped_at + 1]


def test_a_signal_to_one_rank_stops_all(program):
    with program.start_training(2, steps(1000)) as call:
        call.until(has_reached(program, 3))
        os.kill(call.rank(1), signal.SIGTERM)
        result = call.wait()
    assert result.code == STOPPED
    assert checkpoints(program.newest())


def test_after_a_kill_no_step_is_reported_twice(program, straight, first_half):
    run = program.copy_of(first_half)
    with program.start_training(None, steps(WHOLE), "--resume", "auto") as call:
        call.until(has_reached(program, HALF + 3))
        os.kill(call.process.pid, signal.SIGKILL)
        assert call.wait().code == 128 + signal.SIGKILL
    assert steps_reported(run)[-1] >= HALF + 3
    assert [step_of(c) for c in checkpoints(run)] == [HALF]

    # Half of a line is what a machine that goes down may leave.
    with open(run / "stats.jsonl", "a") as file:
        file.write('{"step": 14, "ima')
    program.train(None, steps(HALF), "--resume", "auto")
    assert steps_reported(run) == list(range(1, HALF + 1))
    program.train(None, steps(WHOLE), "--resume", "auto")
    assert steps_reported(run) == list(range(1, WHOLE + 1))
    assert bits_of(run) == bits_of(straight)


def test_a_changed_key_is_named(program):
    program.train(None, steps(2))
    result = program.train(None, "--resume", "auto", "objective.gamma=0.7", "optimizer.lr=0.1", expect=CONFIG)
    assert "objective.gamma: 0.5 -> 0.7" in result.error
    assert "optimizer.lr: 0.0001 -> 0.1" in result.error
    assert "train.steps" not in result.error
    assert len(program.runs()) == 1


def test_keys_that_change_no_training_may_change(program):
    run = program.trained(None, steps(2))
    program.train(None, "--resume", "auto", steps(4), "train.report_every=2", "checkpoint.keep=1", "samples.every=3",
                  "data.verify=off")
    assert [step_of(c) for c in checkpoints(run)] == [4]
    assert (run / "fakes-00000003.png").exists()


def test_a_refused_resume_leaves_the_run_as_it_was(program):
    run = program.trained(None, steps(2))
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    program.train(None, "--resume", run, "model.width=8", expect=CONFIG)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_other_data_are_refused(program, tmp_path):
    run = program.trained(None, steps(2))
    before = (run / "config.toml").read_bytes()
    fewer = tmp_path / "fewer"
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F637", "--resolution", "32",
                 "--dest", fewer, "--jobs", "1")
    result = program.train(None, "--resume", "auto", steps(4), f"data.path={fewer}", expect=CONFIG)
    assert "was trained on other data" in result.error
    assert str(fewer) in result.error
    assert (run / "config.toml").read_bytes() == before


def test_a_run_in_use_is_refused_naming_who_holds_it(program):
    with program.start_training(None, steps(100000)) as call:
        call.until(has_reached(program, 1))
        result = program.train(None, "--resume", "auto", steps(100000), expect=USAGE)
        assert f"process {call.process.pid} on host {os.uname().nodename}" in result.error
        call.process.send_signal(signal.SIGTERM)
        assert call.wait().code == STOPPED
    # The lock goes with its holder.
    done = step_of(checkpoint(program.newest()))
    program.train(None, "--resume", "auto", steps(done + 1))


def test_a_run_that_does_not_exist_is_missing(program):
    result = program.train(None, "--resume", program.out / "00000-none", expect=MISSING)
    assert "00000-none" in result.error


@pytest.mark.parametrize(("error_number", "code"), [(errno.EIO, 74), (errno.ESTALE, 74), (errno.EACCES, MISSING)])
def test_a_checkpoint_that_cannot_be_looked_at_is_not_passed_over(program, saved_twice, faulty_valley, error_number, code):
    """Its successor would be resumed from an older one, or from the first step."""
    run = program.copy_of(saved_twice)
    before = bits(checkpoint(run))
    result = faulty_valley("train", program.config, steps(WHOLE + 5), "--resume", run, "--out", program.out,
                           fail=f"stat:step-{WHOLE:08}/COMMIT:{error_number}")
    assert result.returncode == code and "COMMIT" in result.stderr, result.stderr
    assert bits(checkpoint(run)) == before and len(checkpoints(run)) == 2
