"""Rescue of lost trainings: the same bits on any number of ranks and around kills, the limit, and what the files say."""

import json
import re
import signal

import pytest
from fake_gpus import FakeGpus, needs_fake_gpus, tensors
from program import CONFIG, DATA, DIVERGED, bits, checkpoint, checkpoints, reports, stats, step_of, steps_reported
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# Samples vary at step 8 and are alike soon after; a tenth of the learning rate, or a hundredth, trains on.
COLLAPSING = ("optimizer.lr=0.05", "train.ema_half_life=16", "samples.every=2", "samples.grid=4x4", "checkpoint.every=2",
              "train.reproducible=true", "train.rescue_lr_factor=0.1", "train.steps=30")
RESCUE = (*COLLAPSING, "train.on_divergence=rescue")
# The first update makes networks that are not finite; nothing can be healthy before it.
EXPLODING = ("optimizer.lr=1e30", "train.on_divergence=rescue", "train.steps=4")
END = 30


@pytest.fixture(scope="module")
def rescued(shared_program):
    """(stderr, run) of a training that collapses and is rescued."""
    result = shared_program.train(None, *RESCUE)
    return result.stderr, shared_program.newest()


def events(run, kind):
    return [line for line in stats(run) if line.get("event") == kind]


def rescues_of(run):
    entries = json.loads((run / "rescues.json").read_text())
    assert all(len(entry.pop("sha256")) == 64 for entry in entries)
    return entries


def test_collapsed_training_returns_to_a_healthy_checkpoint(rescued):
    stderr, run = rescued
    first, *_ = rescues_of(run)
    assert first["kind"] == "collapse" and 0 < first["step"] < first["lost"] < END
    assert first["lr_scale"] == 0.1
    assert f"rescue 1 of at most 5: training continues from step {first['step']} with 0.1 times the learning rate" in stderr
    assert step_of(checkpoint(run)) == END
    last = reports(run)[-1]
    assert last["step"] == END and last["lr/D"] == pytest.approx(0.05 * rescues_of(run)[-1]["lr_scale"])
    grid = events(run, "samples")[-1]
    assert grid["distance/raw"] > 0.25 * grid["distance/real"]


def test_files_of_a_rescued_run_agree(rescued):
    _, run = rescued
    assert steps_reported(run) == list(range(1, END + 1))  # lines of undone steps are gone
    recorded = rescues_of(run)
    lines = events(run, "rescue")
    assert [(line["number"], line["lost"], line["restored"], line["lr_scale"], line["text"]) for line in lines] == \
        [(i + 1, r["lost"], r["step"], r["lr_scale"], r["reason"]) for i, r in enumerate(recorded)]
    for name in ("run.json", "exit.json"):
        record = json.loads((run / name).read_text())
        assert (record[-1] if name == "run.json" else record)["rescues"] == recorded
    board = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    [tag] = [tag for tag in board.Tags()["tensors"] if tag.startswith("rescues")]
    texts = [event.tensor_proto.string_val[0].decode() for event in board.Tensors(tag)]
    assert len(texts) == len(recorded) and all(r["reason"] in text for r, text in zip(recorded, texts, strict=True))


def test_healthy_checkpoints_are_marked_and_kept(rescued):
    _, run = rescued
    marked = [path for path in checkpoints(run) if (path / "HEALTHY").exists()]
    assert marked and checkpoint(run) not in marked  # the last one has not proved itself


@pytest.mark.cores(4)
@pytest.mark.parametrize("ranks", [2, 4])
def test_rescue_on_more_ranks_is_bitwise_equal(program, rescued, ranks):
    _, run = rescued
    other = program.trained(ranks, *RESCUE)
    assert bits(checkpoint(other, END)) == bits(checkpoint(run, END))
    assert rescues_of(other) == rescues_of(run)


# A kill after the first checkpoint of the rescued steps, one before it, and one before undone checkpoints were removed.
@pytest.mark.parametrize("when", ["later", "before the first checkpoint", "before the removal"])
def test_kill_and_resume_around_a_rescue_is_bitwise_equal(program, rescued, when):
    _, straight = rescued
    with program.start_training(None, *RESCUE) as call:
        call.until(lambda: program.runs() and (program.newest() / "rescues.json").exists())
        run = program.newest()
        step = rescues_of(run)[0]["step"]
        if when == "later":
            call.until(lambda: any(step_of(path) > step + 2 for path in checkpoints(run)) and events(run, "rescue"))
        call.process.send_signal(signal.SIGKILL)
    if when == "before the removal":
        late = checkpoint(program.trained(None, *COLLAPSING, f"train.steps={step + 4}"))
        if not (run / "checkpoints" / late.name).exists():
            late.rename(run / "checkpoints" / late.name)
    program.train(None, *RESCUE, "--resume", run)
    assert bits(checkpoint(run, END)) == bits(checkpoint(straight, END))
    assert rescues_of(run) == rescues_of(straight)
    assert len(events(run, "rescue")) == len(events(straight, "rescue"))
    assert steps_reported(run) == list(range(1, END + 1))


@needs_fake_gpus
def test_cuda_graphs_draw_the_other_values_after_a_rescue(tmp_path, config):
    gpus = FakeGpus(tmp_path, config, config)
    runs = [gpus.trained(None, *RESCUE, "evaluate.every=0", f"performance.cuda_graph={switch}") for switch in ("on", "off")]
    assert rescues_of(runs[0]) and rescues_of(runs[0]) == rescues_of(runs[1])
    assert tensors(checkpoint(runs[0], END)) == tensors(checkpoint(runs[1], END))


def test_without_rescue_a_collapse_is_a_warning(program, rescued):
    _, run = rescued
    plain = program.trained(None, *COLLAPSING)
    assert events(plain, "warning") and not events(plain, "rescue")
    assert not (plain / "rescues.json").exists()
    # Until the loss both train alike.
    before = [line["loss/D"] for line in reports(plain)][:rescues_of(run)[0]["step"]]
    assert before == [line["loss/D"] for line in reports(run)][:len(before)]


@pytest.mark.parametrize("ranks", [None, 2])
def test_training_without_a_healthy_checkpoint_restarts_until_the_limit(program, ranks):
    ended = program.train(ranks, *EXPLODING, "train.max_rescues=2", expect=DIVERGED)
    run = program.newest()
    first, second = rescues_of(run)
    assert (first["kind"], first["step"], second["step"]) == ("not-finite", 0, 0)
    assert (first["lr_scale"], second["lr_scale"]) == (0.5, 0.25)
    assert re.search(r"2 rescues \(from step \d+ to 0, from step \d+ to 0\) did not help", ended.error)
    assert "Start a new run with a lower optimizer.lr" in ended.error
    end = json.loads((run / "exit.json").read_text())
    assert end["exit_code"] == DIVERGED and "2 rescues" in end["why"]


def test_run_that_stopped_is_rescued_by_a_resume_that_allows_it(program):
    stopped = program.train(None, "optimizer.lr=1e30", "train.steps=4", expect=DIVERGED)
    again = program.train(None, *EXPLODING, "train.max_rescues=1", "--resume", program.newest(), expect=DIVERGED)
    assert "not finite" in stopped.error and "1 rescue (from step" in again.error


def test_rescue_from_the_initial_weights_draws_other_latents_at_the_lower_rate(program):
    rescued = program.trained(None, "optimizer.lr=0.2", "train.on_divergence=rescue", "train.rescue_lr_factor=0.01", "train.steps=6")
    [only] = rescues_of(rescued)
    assert (only["kind"], only["step"], 0.2 * only["lr_scale"]) == ("divergence", 0, 0.002)
    plain = program.trained(None, "optimizer.lr=0.002", "train.steps=6")
    first, other = reports(rescued)[0], reports(plain)[0]
    assert first["energy/real"] == other["energy/real"]  # the same weights and images
    assert first["energy/fake"] != other["energy/fake"]
    assert [line["lr/D"] for line in reports(rescued)] == [line["lr/D"] for line in reports(plain)]


def test_damaged_list_of_rescues_is_named(program):
    run = program.trained(None, "train.steps=2")
    (run / "rescues.json").write_text('[{"lost": 3}]')
    refused = program.train(None, "train.steps=3", "--resume", run, expect=DATA)
    assert str(run / "rescues.json") in refused.error and "entry 1" in refused.error


def test_values_out_of_range_are_rejected(program):
    for setting, hint in (("train.on_divergence=retry", "rescue"), ("train.rescue_lr_factor=0", "> 0"),
                          ("train.max_rescues=0", ">= 1")):
        refused = program.train(None, setting, expect=CONFIG)
        assert setting.split("=")[0] in refused.error and hint in refused.error
