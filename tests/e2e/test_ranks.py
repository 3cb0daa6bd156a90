"""Independence of the number of ranks: bitwise with train.reproducible, up to rounding without."""

import re

import numpy
import pytest
from program import CONFIG, bits, checkpoint, reports, steps_reported
from safetensors.numpy import load_file

STEPS = 30
RANKS = [None, 1, 2, 4]


@pytest.fixture(scope="module")
def reproducible(shared_program):
    """(result, run directory) of the same reproducible training on each number of ranks."""
    runs = {}
    for ranks in RANKS:
        result = shared_program.train(ranks, "train.reproducible=true", f"train.steps={STEPS}")
        runs[ranks] = result, shared_program.newest()
    return runs


@pytest.fixture(scope="module")
def plain(shared_program):
    """The last checkpoint of ten steps without reproducible, a rank's share in one pass."""
    return {ranks: checkpoint(shared_program.trained(ranks, "train.microbatch=auto")) for ranks in (1, 2, 4)}


@pytest.mark.parametrize("ranks", [None, 2, 4])
def test_reproducible_training_equals_one_rank_bitwise(reproducible, ranks):
    assert bits(checkpoint(reproducible[ranks][1], STEPS)) == bits(checkpoint(reproducible[1][1], STEPS))


def test_another_seed_changes_the_result(shared_program, reproducible):
    other = shared_program.trained(None, "train.reproducible=true", f"train.steps={STEPS}", "train.seed=1")
    for name, digest in bits(checkpoint(other)).items():
        assert digest != bits(checkpoint(reproducible[1][1]))[name]


def test_schedule_clipping_and_weight_decay_are_bitwise_equal_on_other_rank_counts(shared_program):
    options = ("train.reproducible=true", "optimizer.lr_schedule=cosine", "optimizer.warmup_steps=4", "optimizer.clip_norm=0.2",
               "optimizer.weight_decay=0.1", "checkpoint.every=5")
    one = shared_program.trained(None, *options, "train.steps=10")
    assert max(line["grad_norm/D"] for line in reports(one)) > 0.2
    four = shared_program.trained(4, *options, "train.steps=10")
    assert bits(checkpoint(four, 10)) == bits(checkpoint(one, 10))
    resumed = shared_program.trained(2, *options, "train.steps=10", "--resume", checkpoint(four, 5))
    assert bits(checkpoint(resumed, 10)) == bits(checkpoint(one, 10))


@pytest.mark.parametrize("ranks", RANKS)
def test_each_rank_processes_its_share_of_every_batch(reproducible, ranks):
    result, run = reproducible[ranks]
    number = ranks or 1
    forwarded = re.findall(r"^(?:\[(\d+)\] )?forwarded (\d+) real images", result.stderr, re.MULTILINE)
    assert sorted(int(rank or 0) for rank, _ in forwarded) == list(range(number))
    assert {int(images) for _, images in forwarded} == {16 * STEPS // number}
    assert steps_reported(run) == list(range(1, STEPS + 1))


def distances(a, b):
    """Of each tensor, relative to its norm in b."""
    first, second = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    assert first.keys() == second.keys()
    return {name: numpy.linalg.norm(first[name] - second[name]) / (numpy.linalg.norm(second[name]) + 1e-8)
            for name in first}


@pytest.mark.parametrize("ranks", [2, 4])
def test_training_on_more_ranks_differs_by_rounding_only(plain, ranks):
    far = {name: d for name, d in distances(plain[ranks], plain[1]).items() if not d < 1e-4}
    assert not far
    k = [float(load_file(plain[n] / "state.safetensors")["objective.k"]) for n in (1, ranks)]
    assert k[0] > 0
    assert k[1] == pytest.approx(k[0], rel=1e-5)


def test_rounding_difference_is_smaller_than_seed_difference(shared_program, plain):
    other = checkpoint(shared_program.trained(None, "train.microbatch=auto", "train.seed=1"))
    assert max(distances(other, plain[1]).values()) > 1e-2


def test_uneven_batch_is_rejected_with_a_valid_one(program):
    refused = program.train(3, "train.microbatch=auto", expect=CONFIG)
    assert "train.global_batch = 16 cannot be divided evenly among 3 ranks" in refused.error
    [works] = re.findall(r"train\.global_batch = (\d+) works", refused.error)
    program.train(3, "train.microbatch=auto", f"train.global_batch={works}", "--dry-run")


def test_irreproducible_rank_count_is_rejected_with_a_valid_one(program):
    options = "train.reproducible=true", "train.global_batch=48", "train.microbatch=auto"
    refused = program.train(3, *options, expect=CONFIG)
    assert "power-of-two number of ranks" in refused.error
    [works] = re.findall(r"launch (\d+) ranks", refused.error)
    program.train(int(works), *options, "--dry-run")


def test_irreproducible_microbatch_is_rejected_with_a_valid_batch(program):
    refused = program.train(2, "train.reproducible=true", "train.global_batch=24", expect=CONFIG)
    assert "power-of-two number of microbatches" in refused.error
    [works] = re.findall(r"train\.global_batch = (\d+) works", refused.error)
    program.train(2, "train.reproducible=true", f"train.global_batch={works}", "--dry-run")
