"""The CUDA build on fake GPUs (tests/fake_cuda): the host code of every objective.

Results are exact there: runs on fake GPUs are compared bitwise with each other, and closely with runs on the CPU.
"""

import json
import os
import signal

import numpy
import pytest
from fake_gpus import OBJECTIVES, SMALL, needs_fake_gpus, tensors
from program import STOPPED, Program, bits, checkpoint, checkpoints, has_reached, reports, stats, step_of

pytestmark = needs_fake_gpus


@pytest.fixture(scope="module")
def straight(shared_gpus):
    """Cached runs on one rank and GPU, by objective."""
    runs = {}

    def run(name):
        if name not in runs:
            runs[name] = shared_gpus.trained(None, *OBJECTIVES[name], "train.reproducible=true", "checkpoint.every=4")
        return runs[name]
    return run


def losses(run):
    return [{name: value for name, value in line.items() if name.startswith(("loss/", "energy/", "L", "E"))} for line in reports(run)]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gpu_training_matches_cpu(straight, gpus, name):
    cpu = Program(gpus.folder, gpus.config_for(OBJECTIVES[name])).trained(None, *SMALL, *OBJECTIVES[name], "train.reproducible=true", "train.device=cpu")
    gpu = straight(name)
    assert [line["step"] for line in reports(gpu)] == list(range(1, 13))
    assert (gpu / "fakes-init.png").exists() and "evaluate" in {line.get("event") for line in stats(gpu)}
    for a, b in zip(losses(gpu), losses(cpu), strict=True):
        assert a.keys() == b.keys() and len(a) > 0
        for key in a:
            assert numpy.isclose(a[key], b[key], rtol=2e-2, atol=1e-4), (key, a[key], b[key])


@pytest.mark.cores(2)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_gpus_equal_one_bitwise(straight, gpus, name):
    run = gpus.trained(2, *OBJECTIVES[name], "train.reproducible=true", "performance.device_cache=on")
    assert json.loads((run / "run.json").read_text())[-1]["communicator"] == "nccl"
    assert tensors(checkpoint(run, 12)) == tensors(checkpoint(straight(name), 12))


@pytest.mark.cores(2)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_resume_on_gpus_is_bitwise_equal(straight, gpus, name):
    run = gpus.trained(2, "--resume", checkpoint(straight(name), 8), *OBJECTIVES[name], "train.reproducible=true", "checkpoint.every=4")
    assert bits(checkpoint(run, 12)) == bits(checkpoint(straight(name), 12))


EVERY_STEP = (*OBJECTIVES["ebgan_pt"], "train.reproducible=true", "checkpoint.every=1", "checkpoint.keep=0", "evaluate.every=0")


@pytest.fixture(scope="module")
def saved_in_the_foreground(shared_gpus):
    return shared_gpus.trained(None, *EVERY_STEP, "checkpoint.background=false")


@pytest.mark.parametrize("options", [(), ("performance.cuda_graph=true",)])
def test_background_checkpoints_have_the_state_of_their_step(gpus, saved_in_the_foreground, options):
    """The copy uses its own stream while the next step is queued."""
    run = gpus.trained(None, *EVERY_STEP, *options, copy_ms=30)
    for step in range(1, 13):
        assert tensors(checkpoint(run, step)) == tensors(checkpoint(saved_in_the_foreground, step)), step


@pytest.mark.parametrize("name", OBJECTIVES)
def test_cuda_graph_is_bitwise_equal_to_run_without(straight, gpus, name):
    run = gpus.trained(None, *OBJECTIVES[name], "train.reproducible=true", "performance.cuda_graph=true")
    assert tensors(checkpoint(run, 12)) == tensors(checkpoint(straight(name), 12))


@pytest.mark.cores(2)
def test_recorded_schedule_clipping_and_weight_decay_on_two_gpus_equal_unrecorded_ones_on_one(gpus):
    options = ("train.reproducible=true", "optimizer.lr_schedule=linear", "optimizer.warmup_steps=4", "optimizer.clip_norm=0.2",
               "optimizer.weight_decay=0.1")
    runs = [gpus.trained(ranks, *options, f"performance.cuda_graph={graph}") for ranks, graph in ((None, "off"), (2, "on"))]
    assert tensors(checkpoint(runs[1], 12)) == tensors(checkpoint(runs[0], 12))


def test_recorded_chains_on_two_gpus_equal_unrecorded_ones_on_one(straight, gpus):
    run = gpus.trained(2, *OBJECTIVES["ebm"], "train.reproducible=true", "performance.cuda_graph=true", "performance.device_cache=on")
    assert tensors(checkpoint(run, 12)) == tensors(checkpoint(straight("ebm"), 12))


def test_recorded_chains_save_kernel_launches(gpus):
    counts = {}
    for graph in "off", "on":
        gpus.trained(None, *OBJECTIVES["ebm"], "evaluate.every=0", "train.audit_every=0", f"performance.cuda_graph={graph}", counts=gpus.folder / graph)
        counts[graph] = json.loads((gpus.folder / f"{graph}.0").read_text())
    assert "graph" not in counts["off"]["calls"]
    assert counts["on"]["calls"]["graph"] == 12 * 2 * 4 - 3  # steps, microbatches, Langevin steps; warm-ups
    assert counts["on"]["calls"]["operator"] < counts["off"]["calls"]["operator"]
    assert counts["on"]["work"]["kernel"] == counts["off"]["work"]["kernel"]
    assert counts["on"]["work"]["copy pinned to device"] == counts["off"]["work"]["copy pinned to device"]


# The EBM's graph is a step of a chain: its activations are kept beside those of the update.
@pytest.mark.parametrize("name, images, most", [("ebgan_pt", 128, 1.4), ("ebm", 256, 2.0)])
def test_capture_reuses_the_memory_of_earlier_steps(gpus, name, images, most):
    def peak(*options):
        run = gpus.trained(None, *OBJECTIVES[name], f"train.global_batch={images}", f"train.microbatch={images}", "objective.replay_size=0",
                           "train.steps=5", "train.report_every=100", "evaluate.every=0", *options, seed=0)
        return reports(run)[-1]["peak_memory_mb"]
    assert peak("performance.cuda_graph=true") < most * peak()


@pytest.mark.cores(2)
@pytest.mark.parametrize("options", [("performance.overlap=on",), ("performance.overlap=on", "performance.cuda_graph=true"),
                                     ("performance.overlap=on", "train.precision=bf16", "performance.bucket_mib=1"),
                                     ("train.precision=tf32", "train.schedule=shared")])
def test_fast_training_on_two_gpus_succeeds(gpus, options):
    run = gpus.trained(2, *options)
    assert step_of(checkpoint(run)) == 12


@pytest.mark.cores(2)
def test_checkpoints_by_time_on_two_gpus_have_the_state_of_their_step(gpus):
    """The request is known two steps later, on both ranks in the same step."""
    endless = "train.steps=100000", "samples.every=100000", "checkpoint.every=100000", "checkpoint.keep=0", "evaluate.every=0"
    options = (*OBJECTIVES["ebgan_pt"], "train.reproducible=true")
    with gpus.start_training(2, *options, *endless, "checkpoint.every_seconds=1", copy_ms=50) as call:
        call.until(lambda: gpus.runs() and len(checkpoints(gpus.newest())) >= 2)
        os.kill(call.rank(0), signal.SIGUSR1)
        assert call.wait().code == STOPPED
    first, *_, last = checkpoints(gpus.newest())
    again = gpus.trained(None, *options, *endless, f"train.steps={step_of(last)}", "--resume", first)
    assert tensors(checkpoint(again)) == tensors(last)


@pytest.mark.cores(2)
def test_resume_after_signal_is_bitwise_equal(gpus, straight):
    options = (*OBJECTIVES["ebgan_pt"], "train.reproducible=true")
    with gpus.start_training(2, *options) as call:
        call.until(has_reached(gpus, 2))
        os.kill(call.rank(1), signal.SIGUSR1)
        assert call.wait().code in (STOPPED, 0)
    gpus.train(None, *options, "--resume", "auto")
    assert tensors(checkpoint(gpus.newest(), 12)) == tensors(checkpoint(straight("ebgan_pt"), 12))
