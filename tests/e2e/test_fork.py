"""`valley train --from`: new runs from the weights, or the whole state, of other runs."""

import json
import re
import shutil

import numpy
import pytest
from program import CONFIG, DATA, MISSING, USAGE, bits, checkpoint, checkpoints, reports
from safetensors import safe_open
from safetensors.numpy import load_file

STATE = ("train.reproducible=true", "optimizer.lr_schedule=cosine", "optimizer.decay_steps=12", "optimizer.warmup_steps=2")


def steps(number):
    return f"train.steps={number}"


def model(path):
    return load_file(path / "model.safetensors")


def metadata(path):
    with safe_open(path / "model.safetensors", "numpy") as file:
        return file.metadata()


def equal(a, b):
    return a.keys() == b.keys() and all(numpy.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def source(shared_program):
    """A run of ten steps with a checkpoint after five."""
    return shared_program.trained(None, *STATE, steps(10), "checkpoint.every=5")


@pytest.mark.parametrize("ranks", [None, 2])
def test_fork_with_state_and_without_changes_is_the_resumed_run_bitwise(program, source, ranks):
    fork = program.trained(ranks, *STATE, steps(10), "--from", checkpoint(source, 5), "--from-state")
    assert equal(model(checkpoint(fork, 10)), model(checkpoint(source, 10)))
    states = [load_file(checkpoint(run, 10) / "state.safetensors") for run in (fork, source)]
    assert equal(*states)
    assert reports(fork)[0]["step"] == 6


def test_fork_starts_from_the_weights_at_step_0(program, source):
    fork = program.trained(None, *STATE, steps(2), "optimizer.lr=1e-3", "train.seed=5", "--from", source)
    start = model(checkpoint(fork, 0))
    assert equal(start, model(checkpoint(source, 10)))
    assert reports(fork)[0]["step"] == 1
    assert json.loads((checkpoint(fork, 2) / "state.json").read_text())["step"] == 2
    record = json.loads((fork / "run.json").read_text())[0]
    assert record["started_from"] == str(checkpoint(source, 10) / "model.safetensors")
    assert "starts from 48 tensors of" in (fork / "log.txt").read_text()


def test_killed_fork_resumes_from_the_weights_it_took(program, source):
    """Before its first own checkpoint, too."""
    whole = program.trained(None, *STATE, steps(3), "--from", source)
    fork = program.copy_of(whole)
    for path in checkpoints(fork)[1:]:
        shutil.rmtree(path)
    program.train(None, *STATE, steps(3), "--resume", fork)
    assert bits(checkpoint(fork, 3)) == bits(checkpoint(whole, 3))


def test_lineage_lists_all_ancestors(program, source):
    child = program.trained(None, *STATE, steps(1), "--from", source)
    grandchild = program.trained(None, *STATE, steps(2), "--from", child, "--from-state")
    program.train(None, *STATE, steps(3), "--resume", grandchild)
    lineage = json.loads(metadata(checkpoint(grandchild, 3))["lineage"])
    assert [entry["from"] for entry in lineage] == [f"{source.name}/step-00000010", f"{child.name}/step-00000001"]
    assert [entry["with_state"] for entry in lineage] == [False, True]
    table = json.loads(program.call("runs", program.out, "--json").stdout)
    assert [row["parent"] for row in table] == [f"{source.name}/step-00000010", f"{child.name}/step-00000001"]
    assert "lineage" not in metadata(checkpoint(source, 10))


def test_tensors_of_another_shape_are_listed_and_initialized_anew(program, source):
    fresh = program.trained(None, *STATE, steps(1), "model.hidden=9", "checkpoint.every=1")
    fork = program.trained(None, *STATE, steps(1), "model.hidden=9", "--from", source)
    start, old = model(checkpoint(fork, 0)), model(checkpoint(source, 10))
    fits = {name for name in start if name in old and old[name].shape == start[name].shape}
    assert 0 < len(fits) < len(start)
    assert all(numpy.array_equal(start[name], old[name]) for name in fits)
    log = (fork / "log.txt").read_text()
    [(count, named)] = re.findall(r"(\d+) tensors initialized anew, absent there or of another shape: (.*)", log)
    anew = {name for name in start if name not in fits and "_ema." not in name}
    assert int(count) == len(anew) and set(named.split(", ")) <= anew
    assert fresh != fork


def test_only_the_named_networks_are_taken(program, source):
    fork = program.trained(None, *STATE, steps(1), "train.seed=8", "--from", source, "--from-networks", "generator")
    start, old = model(checkpoint(fork, 0)), model(checkpoint(source, 10))
    for name in start:
        is_weight = name.endswith("weight")
        if name.startswith("generator"):
            assert numpy.array_equal(start[name], old[name]), name
        elif is_weight:
            assert not numpy.array_equal(start[name], old[name]), name


def test_another_resolution_shares_the_levels_that_overlap(program, source, tmp_path):
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F63F", "--resolution", "64", "--dest",
                 tmp_path / "large", "--progress", "none")
    fork = program.trained(None, *STATE, steps(1), "model.resolution=64", f"data.path={tmp_path / 'large'}", "--from", source)
    start, old = model(checkpoint(fork, 0)), model(checkpoint(source, 10))
    taken = [name for name in start if name in old and numpy.array_equal(start[name], old[name])]
    assert any(name.startswith("generator.levels.0.") for name in taken)

    # Back again: levels that the smaller networks lack are unused.
    back = program.trained(None, *STATE, steps(1), "--from", fork)
    large, small = model(checkpoint(fork, 1)), model(checkpoint(back, 0))
    common = {name for name in large if name in small and large[name].shape == small[name].shape}
    log = (back / "log.txt").read_text()
    assert f"starts from {sum('_ema.' not in name for name in common)} tensors of" in log
    assert f"{len(large) - len(common)} tensors of the source unused: " in log


def test_another_number_of_channels_starts_only_the_outer_layers_anew(program, source, tmp_path):
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F63F", "--resolution", "32", "--channels", "gray",
                 "--dest", tmp_path / "gray", "--progress", "none")
    fork = program.trained(None, *STATE, steps(1), "model.channels=1", f"data.path={tmp_path / 'gray'}", "--from", source)
    start, old = model(checkpoint(fork, 0)), model(checkpoint(source, 10))
    assert start.keys() == old.keys()
    others = {name for name in start if start[name].shape != old[name].shape}
    assert others and all(set(start[name].shape) ^ set(old[name].shape) <= {1, 3} for name in others), others
    for name in start.keys() - others:
        if "_ema." not in name:
            assert numpy.array_equal(start[name], old[name]), name
    log = (fork / "log.txt").read_text()
    assert all(name in log for name in others if "_ema." not in name), log


def test_changed_learning_rate_replaces_that_of_the_state(program, source):
    fork = program.trained(None, *STATE, steps(7), "optimizer.lr=0.5", "--from", checkpoint(source, 5), "--from-state",
                           "optimizer.lr_schedule=constant", "optimizer.decay_steps=auto")
    assert reports(fork)[0]["lr/D"] == 0.5


def test_frozen_levels_keep_their_values(program, source):
    frozen = ("discriminator.encoder.0-1", "generator.linear.bias")
    fork = program.trained(None, *STATE, steps(12), "optimizer.weight_decay=0.1", f'train.freeze=["{frozen[0]}", "{frozen[1]}"]', "--from", source,
                           "--from-state")
    now, old = model(checkpoint(fork, 12)), model(checkpoint(source, 10))
    kept = {name for name in now if numpy.array_equal(now[name], old[name])}
    assert {name for name in kept if "_ema." not in name} == {
        "generator.linear.bias", *(name for name in now if name.startswith(("discriminator.encoder.levels.0.", "discriminator.encoder.levels.1.")))}
    assert len(kept) >= 9
    for refused in ("discriminator.encoder.7", "decoder", ""):
        result = program.train(None, f"train.freeze={refused}", expect=CONFIG)
        assert f'train.freeze (command line): model.name = "began" has no tensor "{refused}"' in result.stderr


def test_config_of_the_source_is_used_without_another(program, source):
    fork = program.call("train", "--from", source, steps(11), "--out", program.out)
    assert fork.code == 0, fork.stderr
    assert program.newest().name.endswith(source.name[5:])
    assert "lr_schedule = \"cosine\"" in (program.newest() / "config.toml").read_text()


def test_resume_auto_continues_the_fork(program, source):
    """As a Slurm job that is requeued."""
    arguments = (*STATE, "--from", source, "--resume", "auto")
    program.train(None, *arguments, steps(2))
    again = program.train(None, *arguments, steps(4))
    [run] = program.runs()
    assert "--from counts for its first launch only" in again.stderr
    assert reports(run)[-1]["step"] == 4


def test_mistakes_have_one_message(program, source, tmp_path):
    def error(code, *arguments):
        result = program.train(None, *STATE, steps(2), *arguments, expect=code)
        assert program.runs() == []
        return result.stderr.splitlines()[-1]

    assert "--from PATH" in error(USAGE, "--from-state")
    assert "does not exist" in error(MISSING, "--from", tmp_path / "nothing")
    assert "leave one of them out" in error(USAGE, "--from", source, "--resume", source)
    lone = tmp_path / "lone.safetensors"
    shutil.copy(checkpoint(source, 10) / "model.safetensors", lone)
    assert "single file without the training state" in error(USAGE, "--from", lone, "--from-state")
    assert "has no network \"decoder\"; it has discriminator, generator" in error(CONFIG, "--from", source, "--from-networks", "decoder")
    assert "train.global_batch: 16 -> 8" in error(CONFIG, "--from", source, "--from-state", "train.global_batch=8")
    state = checkpoint(source, 10) / "state.safetensors"
    assert "not say that it is a model" in error(DATA, "--from", state)


def test_dry_run_names_the_source_and_changes_nothing(program, source):
    result = program.train(None, *STATE, steps(2), "--from", source, "--dry-run")
    assert f"start: a new run in {program.out}, from {checkpoint(source, 10)}/model.safetensors" in result.stdout
    assert program.runs() == []
