"""Warnings of diverging runs: on stderr, in log.txt, in stats.jsonl and in TensorBoard, once each."""

import re

import pytest
from program import CONFIG, reports, stats
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# Fifty times a working learning rate and a fast average: G soon collapses to one image for every seed.
COLLAPSING = ("optimizer.lr=0.05", "samples.every=10", "samples.grid=4x4", "train.ema_half_life=16")
STOP, END = 50, 70


@pytest.fixture(scope="module")
def collapsed(shared_program):
    """(stderr, run directory) of a training that collapses."""
    result = shared_program.train(None, *COLLAPSING, f"train.steps={STOP}")
    return result.stderr, shared_program.newest()


def events(run, kind):
    return [line for line in stats(run) if line.get("event") == kind]


def warnings(text):
    return re.findall(r"^warning: (step \d+: .*)", text, re.MULTILINE)


def test_collapse_warning_is_logged_once(collapsed):
    stderr, run = collapsed
    grids = [(line["step"], line["distance/raw"] / line["distance/real"]) for line in events(run, "samples")]
    shares = [share for _, share in grids]
    onset = min(i for i in range(2, len(grids)) if max(shares[i - 1], shares[i]) < 0.25)  # not that of step 0
    [line] = events(run, "warning")
    assert (line["step"], line["images"]) == (grids[onset][0], 16 * grids[onset][0])
    assert line["kind"] == "collapse"
    assert f"{shares[onset]:.2f} times the" in line["text"]
    assert warnings(stderr) == [f"step {line['step']}: {line['text']}"]
    assert f"warning: step {line['step']}: {line['text']}\n" in (run / "log.txt").read_text()


def test_warning_is_a_text_event_of_tensorboard(collapsed):
    _, run = collapsed
    [line] = events(run, "warning")
    board = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    [event] = board.Tensors("warnings/text_summary" if "warnings/text_summary" in board.Tags()["tensors"] else "warnings")
    assert event.step == line["step"]
    assert event.tensor_proto.string_val[0].decode() == f"collapse: {line['text']}"


def test_resume_does_not_repeat_the_warning(collapsed, shared_program):
    _, run = collapsed
    before = events(run, "warning")
    resumed = shared_program.train(None, *COLLAPSING, f"train.steps={END}", "--resume", run)
    assert events(run, "samples")[-1]["step"] == END  # still collapsed
    assert events(run, "samples")[-1]["distance/fake"] < 0.25 * events(run, "samples")[-1]["distance/real"]
    assert not warnings(resumed.stderr)
    assert events(run, "warning") == before


# With the default half-life of 10,000 images, of which this run sees 960. Batch norm's moments must be those of the averaged
# weights: averaged moments draw one flat gray.
def test_first_samples_use_the_trained_weights(program):
    run = program.trained(None, "objective.name=ebgan", "model.name=ebgan", "model.batch_norm=true", "model.output=tanh",
                          "model.latent_distribution=normal", "optimizer.lr=1e-3", "train.steps=60", "samples.every=60")
    line = events(run, "samples")[-1]
    assert line["distance/fake"] == pytest.approx(line["distance/raw"], rel=0.35)
    assert line["distance/raw"] > 0.02
    plain = program.trained(None, "train.ema_half_life=0", "train.steps=1", "samples.every=1")
    assert all("distance/raw" not in line for line in events(plain, "samples"))


def test_diverging_training_is_warned_about(program):
    result = program.train(None, "optimizer.lr=0.2", "train.steps=6")
    first, *_ = warnings(result.stderr)
    figures = re.fullmatch(r"step (\d+): the convergence measure M has risen to (\S+), (\S+) times its minimum, .*", first)
    step, value = int(figures[1]), float(figures[2])
    measured = {line["step"]: line["M"] for line in reports(program.newest())}
    assert value == pytest.approx(measured[step], rel=1e-3)
    assert min(measured[step], measured[step - 1]) > 10 * min(measured[s] for s in measured if s < step - 1)


def test_healthy_training_has_no_warnings(program):
    assert not warnings(program.train(None, "train.steps=20", "samples.every=5").stderr)


def test_learning_rate_reduction_is_logged(program):
    stall = program.train(None, "optimizer.stall_window=2", "optimizer.stall_windows=1", "optimizer.stall_improvement=1")
    [first, *_] = re.findall(r"^after step (\d+) the learning rate is lowered from 0.0001 to 5e-05: .*", stall.stderr,
                             re.MULTILINE)
    rates = {line["step"]: line["lr/D"] for line in reports(program.newest())}
    assert rates[int(first) - 1] == 1e-4 and rates[int(first)] == 5e-5
    stepped = program.train(None, "optimizer.lr_schedule=step", "optimizer.step_every=4")
    assert re.findall(r"^after step (\d+) the learning rate is stepped down to (\S+)", stepped.stderr, re.MULTILINE) == \
        [("4", "5e-05"), ("8", "2.5e-05")]


def test_settings_of_another_optimizer_are_rejected(program):
    error = program.train(None, "optimizer.momentum=0.9", expect=CONFIG).error
    assert "optimizer.momentum (command line)" in error and "optimizer.beta1" in error
    program.train(None, "optimizer.momentum=0.9", "optimizer.name=sgd", "train.steps=2")
