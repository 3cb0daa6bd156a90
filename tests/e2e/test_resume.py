"""Bitwise resume: within an epoch, on another number of ranks, after a signal, after a kill."""

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
    """A run of all steps without interruption."""
    return shared_program.trained(None, steps(WHOLE))


@pytest.fixture(scope="module")
def first_half(shared_program):
    return shared_program.trained(None, steps(HALF))


@pytest.fixture(scope="module")
def saved_twice(shared_program):
    return shared_program.trained(None, steps(WHOLE), f"checkpoint.every={HALF}")


def bits_of(run):
    return bits(checkpoint(run, WHOLE))


def test_resume_is_bitwise_equal_to_uninterrupted_training(program, straight, first_half):
    half = program.copy_of(first_half)
    assert bits(checkpoint(half)) != bits_of(straight)
    result = program.train(None, steps(WHOLE), "--resume", half)
    assert f"at step {HALF}" in result.stderr
    assert program.runs() == [half]
    assert bits_of(half) == bits_of(straight)
    assert steps_reported(half) == list(range(1, WHOLE + 1))


def test_resumed_run_reports_equal_metrics(program, straight, first_half):
    half = program.copy_of(first_half)
    program.train(None, steps(WHOLE), "--resume", half)
    measured = ("step", "images", "loss/D", "loss/G", "k", "M", "grad_norm/D", "grad_norm/G")
    assert [[line[key] for key in measured] for line in reports(half)] == \
           [[line[key] for key in measured] for line in reports(straight)]


def test_run_with_boolean_for_auto_key_resumes(program, straight, first_half):
    half = program.copy_of(first_half)
    config = half / "config.toml"
    text = config.read_text().split("\n", 1)[1]  # earlier versions wrote no digest
    for key, old in ("cuda_graph", "false"), ("device_cache", '"off"'):
        assert f'{key} = "auto"' in text
        text = text.replace(f'{key} = "auto"', f"{key} = {old}")
    config.write_text(text)
    program.train(None, steps(WHOLE), "--resume", half)
    assert bits_of(half) == bits_of(straight)


def test_resume_auto_selects_the_newest_run(program, straight, first_half):
    program.train(None, steps(3))
    half = program.copy_of(first_half)
    program.train(None, steps(WHOLE), "--resume", "auto")
    assert len(program.runs()) == 2
    assert bits_of(half) == bits_of(straight)


def test_resume_auto_without_run_creates_one(program):
    program.train(None, steps(2), "--resume", "auto")
    assert steps_reported(program.newest()) == [1, 2]


def test_resume_needs_no_config_argument(program, straight, first_half):
    half = program.copy_of(first_half)
    program.call("train", "--resume", half, steps(WHOLE), "--out", program.out)
    assert bits_of(half) == bits_of(straight)


def test_checkpoint_that_is_not_the_newest_starts_a_new_run(program, straight, saved_twice):
    old = program.copy_of(saved_twice)
    before = bits_of(old)
    program.train(None, steps(WHOLE), "--resume", checkpoint(old, HALF))
    assert len(program.runs()) == 2
    assert bits_of(program.newest()) == before == bits_of(straight)
    assert steps_reported(program.newest()) == list(range(HALF + 1, WHOLE + 1))


@pytest.mark.parametrize("ranks", [None, 2])
def test_new_run_from_older_checkpoint_saves_it_first(program, saved_twice, ranks):
    old = program.copy_of(saved_twice)
    program.train(ranks, steps(HALF - 1), "--resume", checkpoint(old, HALF))  # nothing left to do
    fork = program.newest()
    assert fork != old
    assert bits(checkpoint(fork, HALF)) == bits(checkpoint(old, HALF))


def test_trailing_slash_of_run_is_ignored(program, straight, first_half):
    half = program.copy_of(first_half)
    program.call("train", "--resume", f"{checkpoint(half)}/", steps(WHOLE), "--out", program.out)
    assert program.runs() == [half]
    assert bits_of(half) == bits_of(straight)


def test_resume_on_other_rank_counts_is_bitwise_equal(program):
    mode = "train.reproducible=true"
    whole = program.trained(2, mode, steps(WHOLE))
    half = program.trained(4, mode, steps(HALF))
    program.train(1, mode, steps(WHOLE), "--resume", half)
    assert bits_of(half) == bits_of(whole)


@pytest.mark.parametrize("ranks", [None, 2])
def test_background_checkpoints_equal_foreground_ones(program, ranks):
    """Each has the state of its step, even if later steps run before it is written."""
    runs = [program.trained(ranks, "checkpoint.every=1", "checkpoint.keep=0", f"checkpoint.background={background}")
            for background in ("true", "false")]
    for step in range(1, 11):
        assert bits(checkpoint(runs[0], step)) == bits(checkpoint(runs[1], step)), step
    for run in runs:
        assert re.search(r"9 checkpoints between steps, for which training paused [\d.]+ ms each",
                         (run / "log.txt").read_text())


@pytest.mark.cores(2)
def test_checkpoints_by_time_do_not_change_the_results(program):
    mode = ("train.reproducible=true", "checkpoint.keep=0", "checkpoint.every=100000")
    with program.start_training(2, *mode, steps(100000), "checkpoint.every_seconds=1") as call:
        call.until(lambda: program.runs() and len(checkpoints(program.newest())) >= 2)
        call.process.send_signal(signal.SIGUSR1)
        assert call.wait().code == STOPPED
    timed = program.newest()
    first, *_, last = map(step_of, checkpoints(timed))
    plain = program.trained(None, *mode, steps(last), "checkpoint.every_seconds=0")
    assert [step_of(path) for path in checkpoints(plain)] == [last]
    early = program.trained(None, *mode, steps(first), "checkpoint.every_seconds=0")
    for run in (plain, early):
        step = step_of(checkpoint(run))
        assert bits(checkpoint(timed, step))["model.safetensors"] == bits(checkpoint(run))["model.safetensors"], step


def test_resume_of_finished_run_does_nothing(program):
    run = program.trained(None, steps(3))
    before = bits(checkpoint(run, 3)), stats(run)
    result = program.train(None, steps(3), "--resume", run)
    assert "nothing to do" in result.stderr
    assert (bits(checkpoint(run, 3)), stats(run)) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_saves_checkpoint_and_run_resumes(program, straight, number):
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


def test_signal_to_launcher_stops_all_ranks(program):
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


def test_signal_reports_the_last_step(program):
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


def test_signal_to_one_rank_stops_all(program):
    with program.start_training(2, steps(1000)) as call:
        call.until(has_reached(program, 3))
        os.kill(call.rank(1), signal.SIGTERM)
        result = call.wait()
    assert result.code == STOPPED
    assert checkpoints(program.newest())


def test_no_step_is_reported_twice_after_a_kill(program, straight, first_half):
    run = program.copy_of(first_half)
    with program.start_training(None, steps(WHOLE), "--resume", "auto") as call:
        call.until(has_reached(program, HALF + 3))
        os.kill(call.process.pid, signal.SIGKILL)
        assert call.wait().code == 128 + signal.SIGKILL
    assert steps_reported(run)[-1] >= HALF + 3
    assert [step_of(c) for c in checkpoints(run)] == [HALF]

    # A host that fails may leave half of a line.
    with open(run / "stats.jsonl", "a") as file:
        file.write('{"step": 14, "ima')
    program.train(None, steps(HALF), "--resume", "auto")
    assert steps_reported(run) == list(range(1, HALF + 1))
    program.train(None, steps(WHOLE), "--resume", "auto")
    assert steps_reported(run) == list(range(1, WHOLE + 1))
    assert bits_of(run) == bits_of(straight)


def test_changed_key_is_named(program):
    program.train(None, steps(2))
    result = program.train(None, "--resume", "auto", "objective.gamma=0.7", "optimizer.lr=0.1", expect=CONFIG)
    assert "objective.gamma: 0.5 -> 0.7" in result.error
    assert "optimizer.lr: 0.0001 -> 0.1" in result.error
    assert "train.steps" not in result.error
    assert len(program.runs()) == 1


def test_keys_without_effect_on_training_may_change(program):
    run = program.trained(None, steps(2))
    program.train(None, "--resume", "auto", steps(4), "train.report_every=2", "checkpoint.keep=1", "samples.every=3",
                  "data.verify=off")
    assert [step_of(c) for c in checkpoints(run)] == [4]
    assert (run / "fakes-00000003.png").exists()


def test_rejected_resume_does_not_change_the_run(program):
    run = program.trained(None, steps(2))
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    program.train(None, "--resume", run, "model.width=8", expect=CONFIG)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_resume_on_other_data_is_rejected(program, tmp_path):
    run = program.trained(None, steps(2))
    before = (run / "config.toml").read_bytes()
    fewer = tmp_path / "fewer"
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F637", "--resolution", "32",
                 "--dest", fewer, "--jobs", "1")
    result = program.train(None, "--resume", "auto", steps(4), f"data.path={fewer}", expect=CONFIG)
    assert "was trained on other data" in result.error
    assert str(fewer) in result.error
    assert (run / "config.toml").read_bytes() == before


def test_run_in_use_is_rejected_with_its_process(program):
    with program.start_training(None, steps(100000)) as call:
        call.until(has_reached(program, 1))
        result = program.train(None, "--resume", "auto", steps(100000), expect=USAGE)
        assert f"process {call.process.pid} on host {os.uname().nodename}" in result.error
        call.process.send_signal(signal.SIGTERM)
        assert call.wait().code == STOPPED
    # The lock ends with its process.
    done = step_of(checkpoint(program.newest()))
    program.train(None, "--resume", "auto", steps(done + 1))


def test_missing_run_is_reported(program):
    result = program.train(None, "--resume", program.out / "00000-none", expect=MISSING)
    assert "00000-none" in result.error


@pytest.mark.parametrize(("error_number", "code"), [(errno.EIO, 74), (errno.ESTALE, 74), (errno.EACCES, MISSING)])
def test_unreadable_checkpoint_is_not_skipped(program, saved_twice, faulty_valley, error_number, code):
    """Skipping it would resume from an older checkpoint or from the first step."""
    run = program.copy_of(saved_twice)
    before = bits(checkpoint(run))
    result = faulty_valley("train", program.config, steps(WHOLE + 5), "--resume", run, "--out", program.out,
                           fail=f"stat:step-{WHOLE:08}/COMMIT:{error_number}")
    assert result.returncode == code and "COMMIT" in result.stderr, result.stderr
    assert bits(checkpoint(run)) == before and len(checkpoints(run)) == 2
