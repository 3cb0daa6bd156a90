"""Failures of runs on fake GPUs (tests/fake_cuda): exit codes, messages and remaining files."""

import json
import os
import re
import signal
import time

import numpy
import pytest
from fake_gpus import needs_fake_gpus
from program import CONFIG, DIVERGED, FACES, Program, checkpoints, has_reached, step_of
from safetensors.numpy import load_file

OUT_OF_MEMORY, RANK_LOST, INTERNAL = 71, 76, 1

pytestmark = needs_fake_gpus


def test_gpu_out_of_memory_error_names_microbatch(gpus):
    result = gpus.train(None, "model.resolution=32", "train.global_batch=32", "train.microbatch=32", memory=7 << 20, expect=OUT_OF_MEMORY)
    assert "GPU memory" in result.error and "train.microbatch" in result.error
    assert gpus.end()["exit_code"] == OUT_OF_MEMORY


def test_out_of_memory_with_device_cache_names_the_cache(gpus):
    data = gpus.folder / "faces-64"
    Program(gpus.folder, gpus.config).call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", FACES, "--resolution", "64",
                                           "--dest", data, "--jobs", 1)
    options = (f"data.path={data}", "model.resolution=64", "performance.device_cache=on")
    result = gpus.train(None, *options, memory=16 << 20, expect=OUT_OF_MEMORY)
    assert "performance.device_cache=off" in result.error


@pytest.mark.cores(2)
def test_nccl_error_ends_the_job(gpus):
    result = gpus.train(2, "performance.rank_timeout=60", fail="nccl-error:20@1", expect=RANK_LOST)
    assert "rank 1" in result.stderr
    assert (gpus.end()["exit_code"], gpus.end()["failed"].split(" on ")[0]) == (RANK_LOST, "rank 1")


@pytest.mark.cores(2)
@pytest.mark.parametrize("number", [1, 20])
def test_collective_that_hangs_ends_at_the_timeout(gpus, number):
    begin = time.monotonic()
    result = gpus.train(2, "performance.rank_timeout=4", fail=f"nccl-hang:{number}@1", expect=RANK_LOST)
    assert time.monotonic() - begin < 60
    assert "performance.rank_timeout" in result.stderr


@pytest.mark.cores(2)
@pytest.mark.parametrize("fault, kind, ranks, text", [
    ("launch-hang:400@1", "computing", [1], r"rank 1 \(host .*\) has kernels or copies on its GPU that do not end"),
    ("nccl-hang:200@1", "network", [], "all ranks are in "),
    (None, "loader", [1], r"rank 1 \(host .*\) has been waiting for images"),
])
def test_watchdog_tells_what_a_gpu_waits_for(gpus, failing_calls, fault, kind, ranks, text):
    """Collectives are queued long before the GPU takes part in them."""
    disk = () if fault else (f"LD_PRELOAD={failing_calls}", "FAIL_CALLS=pread:shard-00000.h5:1000:300", "FAIL_RANK=1")
    with gpus.start_training(2, "train.steps=100000", "checkpoint.every=1000000", "evaluate.every=1000000", "train.hang_timeout=4",
                             variables=disk, **({"fail": fault} if fault else {})) as call:
        result = call.wait(120)
        end = time.monotonic() + 10
        while call.processes() and time.monotonic() < end:
            time.sleep(0.1)
        assert not call.processes()
    assert result.code == RANK_LOST, result.stderr
    assert re.match(text, gpus.end()["why"]), gpus.end()["why"]
    record = json.loads((gpus.newest() / "flight/rank-0.json").read_text())
    assert (record["verdict"]["kind"], record["verdict"]["ranks"]) == (kind, ranks)
    inside = [c for c in record["collectives"] if c["entered_s_ago"] is not None and c["left_s_ago"] is None]
    assert [c["channel"] for c in inside] == ["device"]
    assert inside[0]["collective"] in record["verdict"]["collective"] and str(inside[0]["number"]) in record["verdict"]["collective"]
    explained = gpus.call("doctor", "--flight", gpus.newest()).stdout
    assert f"rank 0: step {record['step']}, phase {record['phase']}: in {inside[0]['collective']} {inside[0]['number']}" in explained \
        or kind == "network"


@pytest.mark.cores(2)
def test_killed_rank_ends_the_job(gpus):
    with gpus.start_training(2, "train.steps=100000") as call:
        call.until(has_reached(gpus, 2))
        os.kill(call.rank(1), signal.SIGKILL)
        assert call.wait(60).code in (RANK_LOST, 137)


@pytest.mark.cores(2)
def test_divergence_names_its_step_and_leaves_no_later_checkpoint(gpus):
    result = gpus.train(2, "checkpoint.every=1", "checkpoint.keep=0", fail="nan:5", expect=DIVERGED)
    step = int(re.search(r"in step (\d+)", result.error)[1])
    assert gpus.end()["why"].endswith(f"in step {step}")
    assert [step_of(path) for path in checkpoints(gpus.newest())] == list(range(1, step))
    for path in checkpoints(gpus.newest()):
        assert all(numpy.isfinite(value).all() for value in load_file(path / "model.safetensors").values() if value.dtype == numpy.float32)


def test_gpu_fault_is_recorded_in_exit_json(gpus):
    result = gpus.train(None, fail="launch:150", expect=INTERNAL)
    assert "illegal memory access" in result.error
    assert gpus.end()["exit_code"] == INTERNAL


@pytest.mark.parametrize("settings, parts", [({"capability": "6.1"}, ("compute capability 6.1", "CMAKE_CUDA_ARCHITECTURES=61")),
                                             ({"driver": 12080}, ("driver is for CUDA 12.8", "update the driver"))])
def test_unusable_gpu_is_an_error_unless_device_is_cpu(gpus, settings, parts):
    for device in "auto", "cuda":
        result = gpus.train(None, f"train.device={device}", expect=CONFIG, **settings)
        assert all(part in result.error for part in (*parts, "train.device=cpu"))
    assert not gpus.runs()
    gpus.train(None, "train.device=cpu", "train.steps=2", **settings)
