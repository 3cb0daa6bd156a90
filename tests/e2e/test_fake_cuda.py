"""The CUDA build on fake GPUs (tests/fake_cuda): the host's path of every objective, and every way a run on GPUs can fail.

Results are exact there, so a run on fake GPUs is compared with other such runs to the bit, and with a run on the CPU closely.
"""

import json
import os
import re
import signal
import time

import numpy
import pytest
from PIL import Image
from program import BUILD, CONFIG, DIVERGED, FACES, REPOSITORY, STOPPED, VALLEY, Call, Program, bits, checkpoint, checkpoints, has_reached, launcher, \
    reports, stats, step_of
from safetensors.numpy import load_file

OUT_OF_MEMORY, RANK_LOST, INTERNAL = 71, 76, 1
RUN = REPOSITORY / "tests" / "fake_cuda" / "run"

pytestmark = pytest.mark.skipif(not (BUILD / "tests/fake_cuda/libvalley_fake_cuda.so").exists(), reason="a build without CUDA")

OBJECTIVES = {
    "began": (),
    "began_shared": ("train.schedule=shared",),
    "ebgan_pt": ("objective.name=ebgan", "model.name=ebgan", "objective.pulling_away=squared"),
    "magan": ("objective.name=magan", "model.name=magan", "objective.pretrain_epochs=1", "train.global_batch=16", "train.microbatch=8"),
    "ebm": ("objective.name=ebm", "model.name=ebm", "model.width=4", "objective.langevin_steps=4", "objective.replay_size=48",
            "objective.replay_restart=0.25"),
}
SMALL = ("train.device=cuda", "train.global_batch=4", "train.microbatch=2", "train.steps=12", "checkpoint.every=6", "evaluate.every=12",
         "evaluate.samples=10")


class FakeGpus(Program):
    """The program on fake GPUs, as many as there are ranks unless said otherwise."""

    def start(self, *arguments, ranks=None, gpus=None, **settings):
        environment = [f"VALLEY_FAKE_{name.upper()}={value}" for name, value in settings.items()]
        return Call([*launcher(ranks), "env", f"VALLEY_BUILD={BUILD}", *environment, RUN, str(gpus or ranks or 1), VALLEY,
                     *map(str, arguments)], self.folder)

    def start_training(self, ranks, *arguments, **settings):
        return self.start("train", self.config, *SMALL, *arguments, "--out", self.out, ranks=ranks, **settings)

    def end(self):
        return json.loads((self.newest() / "exit.json").read_text())


@pytest.fixture
def gpus(tmp_path, config):
    return FakeGpus(tmp_path, config)


@pytest.fixture(scope="module")
def shared_gpus(tmp_path_factory, config):
    return FakeGpus(tmp_path_factory.mktemp("gpus"), config)


@pytest.fixture(scope="module")
def straight(shared_gpus):
    """Runs of one rank and GPU by objective, each made once."""
    runs = {}

    def run(name):
        if name not in runs:
            runs[name] = shared_gpus.trained(None, *OBJECTIVES[name], "train.reproducible=true", "checkpoint.every=4")
        return runs[name]
    return run


def tensors(path):
    return {name: value.tobytes() for file in ("model.safetensors", "state.safetensors") for name, value in load_file(path / file).items()}


def losses(run):
    return [{name: value for name, value in line.items() if name.startswith(("loss/", "energy/", "L", "E"))} for line in reports(run)]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_gpu_trains_as_the_cpu_does(straight, program, name):
    cpu = program.trained(None, *SMALL, *OBJECTIVES[name], "train.reproducible=true", "train.device=cpu")
    gpu = straight(name)
    assert [line["step"] for line in reports(gpu)] == list(range(1, 13))
    assert (gpu / "fakes-init.png").exists() and "evaluate" in {line.get("event") for line in stats(gpu)}
    for a, b in zip(losses(gpu), losses(cpu), strict=True):
        assert a.keys() == b.keys() and len(a) > 0
        for key in a:
            assert numpy.isclose(a[key], b[key], rtol=2e-2, atol=1e-4), (key, a[key], b[key])


@pytest.mark.cores(2)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_gpus_have_the_bits_of_one(straight, gpus, name):
    run = gpus.trained(2, *OBJECTIVES[name], "train.reproducible=true", "performance.device_cache=on")
    assert json.loads((run / "run.json").read_text())[-1]["communicator"] == "nccl"
    assert tensors(checkpoint(run, 12)) == tensors(checkpoint(straight(name), 12))


@pytest.mark.cores(2)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_resume_on_gpus_has_the_bits_of_a_straight_run(straight, gpus, name):
    run = gpus.trained(2, "--resume", checkpoint(straight(name), 8), *OBJECTIVES[name], "train.reproducible=true", "checkpoint.every=4")
    assert bits(checkpoint(run, 12)) == bits(checkpoint(straight(name), 12))


@pytest.mark.parametrize("options", [(), ("performance.cuda_graph=true",)])
def test_checkpoints_in_the_background_hold_the_state_of_their_step(gpus, options):
    """Copied by a stream of its own, while the next step is queued."""
    expected = gpus.trained(None, *OBJECTIVES["ebgan_pt"], "train.reproducible=true", "checkpoint.every=1", "checkpoint.keep=0",
                            "checkpoint.background=false", "evaluate.every=0")
    run = gpus.trained(None, *OBJECTIVES["ebgan_pt"], "train.reproducible=true", "checkpoint.every=1", "checkpoint.keep=0",
                       "evaluate.every=0", *options, copy_ms=30)
    for step in range(1, 13):
        assert tensors(checkpoint(run, step)) == tensors(checkpoint(expected, step)), step


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_cuda_graph_has_the_bits_of_a_run_without(straight, gpus, name):
    run = gpus.trained(None, *OBJECTIVES[name], "train.reproducible=true", "performance.cuda_graph=true")
    assert tensors(checkpoint(run, 12)) == tensors(checkpoint(straight(name), 12))


@pytest.mark.cores(2)
def test_recorded_chains_on_two_gpus_have_the_bits_of_a_run_without_on_one(straight, gpus):
    run = gpus.trained(2, *OBJECTIVES["ebm"], "train.reproducible=true", "performance.cuda_graph=true", "performance.device_cache=on")
    assert tensors(checkpoint(run, 12)) == tensors(checkpoint(straight("ebm"), 12))


def test_counts_show_the_launches_that_recorded_chains_save(gpus):
    counts = {}
    for graph in "off", "on":
        gpus.trained(None, *OBJECTIVES["ebm"], "evaluate.every=0", f"performance.cuda_graph={graph}", counts=gpus.folder / graph)
        counts[graph] = json.loads((gpus.folder / f"{graph}.0").read_text())
    assert "graph" not in counts["off"]["calls"]
    assert counts["on"]["calls"]["graph"] == 12 * 2 * 4 - 3  # steps, microbatches, Langevin steps; warm-ups
    assert counts["on"]["calls"]["operator"] < counts["off"]["calls"]["operator"]
    assert counts["on"]["work"]["kernel"] == counts["off"]["work"]["kernel"]
    assert counts["on"]["work"]["copy pinned to device"] == counts["off"]["work"]["copy pinned to device"]


# The EBM's graph is a step of a chain: its activations are kept beside those of the update.
@pytest.mark.parametrize("name, images, most", [("ebgan_pt", 128, 1.4), ("ebm", 256, 2.0)])
def test_a_capture_reuses_the_memory_of_earlier_steps(gpus, name, images, most):
    def peak(*options):
        run = gpus.trained(None, *OBJECTIVES[name], f"train.global_batch={images}", f"train.microbatch={images}", "objective.replay_size=0",
                           "train.steps=5", "train.report_every=100", "evaluate.every=0", *options, seed=0)
        return reports(run)[-1]["peak_memory_mb"]
    assert peak("performance.cuda_graph=true") < most * peak()


@pytest.mark.cores(2)
@pytest.mark.parametrize("options", [("performance.overlap=on",), ("performance.overlap=on", "performance.cuda_graph=true"),
                                     ("performance.overlap=on", "train.precision=bf16", "performance.bucket_mib=1"),
                                     ("train.precision=tf32", "train.schedule=shared")])
def test_fast_training_on_two_gpus_ends_well(gpus, options):
    run = gpus.trained(2, *options)
    assert step_of(checkpoint(run)) == 12


def test_memory_that_runs_out_on_a_gpu_names_the_microbatch(gpus):
    result = gpus.train(None, "train.global_batch=32", "train.microbatch=32", memory=7 << 20, expect=OUT_OF_MEMORY)
    assert "GPU memory" in result.error and "train.microbatch" in result.error
    assert gpus.end()["exit_code"] == OUT_OF_MEMORY


def test_memory_that_runs_out_beside_the_device_cache_names_it(gpus):
    data = gpus.folder / "faces-64"
    Program(gpus.folder, gpus.config).call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", FACES, "--resolution", "64",
                                           "--dest", data, "--jobs", 1)
    options = (f"data.path={data}", "model.resolution=64", "performance.device_cache=on")
    result = gpus.train(None, *options, memory=16 << 20, expect=OUT_OF_MEMORY)
    assert "performance.device_cache=off" in result.error


@pytest.mark.cores(2)
def test_an_error_of_nccl_ends_the_job(gpus):
    result = gpus.train(2, "performance.rank_timeout=60", fail="nccl-error:20@1", expect=RANK_LOST)
    assert "rank 1" in result.stderr
    assert (gpus.end()["exit_code"], gpus.end()["failed"].split(" on ")[0]) == (RANK_LOST, "rank 1")


@pytest.mark.cores(2)
@pytest.mark.parametrize("number", [1, 20])
def test_a_collective_that_hangs_ends_at_the_timeout(gpus, number):
    begin = time.monotonic()
    result = gpus.train(2, "performance.rank_timeout=4", fail=f"nccl-hang:{number}@1", expect=RANK_LOST)
    assert time.monotonic() - begin < 60
    assert "performance.rank_timeout" in result.stderr


@pytest.mark.cores(2)
def test_a_killed_rank_ends_the_job(gpus):
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


def test_a_fault_of_the_gpu_is_recorded(gpus):
    result = gpus.train(None, fail="launch:150", expect=INTERNAL)
    assert "illegal memory access" in result.error
    assert gpus.end()["exit_code"] == INTERNAL


@pytest.mark.parametrize("settings, parts", [({"capability": "6.1"}, ("compute capability 6.1", "CMAKE_CUDA_ARCHITECTURES=61")),
                                             ({"driver": 12080}, ("driver is for CUDA 12.8", "update the driver"))])
def test_a_gpu_that_cannot_be_used_is_an_error_unless_the_cpu_is_asked_for(gpus, settings, parts):
    for device in "auto", "cuda":
        result = gpus.train(None, f"train.device={device}", expect=CONFIG, **settings)
        assert all(part in result.error for part in (*parts, "train.device=cpu"))
    assert not gpus.runs()
    gpus.train(None, "train.device=cpu", "train.steps=2", **settings)


@pytest.mark.parametrize("name, options", [
    ("began", ("--seeds", "0-3")), ("began", ("--seeds", "0,5", "--interpolate", "3")),
    ("began", ("--langevin", "--from", "generator", "--seeds", "0-2", "--steps", "3", "--trajectory", "way.png")),
    ("ebm", ("--seeds", "0-3", "--steps", "5"))])
def test_samples_of_a_gpu_are_those_of_the_cpu(straight, gpus, name, options):
    options = [str(gpus.folder / word) if word.endswith(".png") else word for word in options]
    pictures = []
    for device in "cpu", "cuda":
        out = gpus.folder / f"{device}.png"
        gpus.call("sample", straight(name), *options, "--device", device, "-o", out)
        pictures.append(numpy.asarray(Image.open(out)).astype(int))
    assert pictures[0].std() > 1
    assert abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize("name, method", [("began", "code"), ("began", "project"), ("began", "langevin"), ("ebm", "gradient")])
def test_images_restored_on_a_gpu_are_those_of_the_cpu(straight, gpus, faces, name, method):
    noise = ("--noise", "0.1") if method in ("project", "langevin") else ("--box", "8x8")
    restored = []
    for device in "cpu", "cuda":
        out = gpus.folder / f"{device}.safetensors"
        gpus.call("restore", straight(name), "--data", faces, "--index", "0-2", *noise, "--method", method, "--steps", "3", "--device", device,
                  "-o", gpus.folder / "restored.png", "--strip", gpus.folder / "strip.png", "--save", out)
        restored.append(load_file(out)["restored"].astype(int))
    assert abs(restored[0] - restored[1]).max() <= 1


@pytest.mark.parametrize("command", ["energy", "evaluate"])
def test_inference_on_a_gpu_is_that_of_the_cpu(straight, gpus, faces, command):
    options = ("--data", faces) if command == "energy" else ("--data", faces, "--count", "12")
    results = [json.loads(gpus.call(command, straight("began"), *options, "--device", device, "--json").stdout) for device in ("cpu", "cuda")]
    numbers = [list(all_numbers(result)) for result in results]
    assert len(numbers[0]) == len(numbers[1]) > 3
    assert numpy.allclose(*numbers, rtol=2e-2, atol=1e-3)


def all_numbers(value):
    if isinstance(value, dict):
        for part in value.values():
            yield from all_numbers(part)
    elif isinstance(value, list):
        for part in value:
            yield from all_numbers(part)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


@pytest.mark.cores(2)
def test_a_signal_stops_and_a_resume_has_the_bits(gpus, straight):
    options = (*OBJECTIVES["ebgan_pt"], "train.reproducible=true")
    with gpus.start_training(2, *options) as call:
        call.until(has_reached(gpus, 2))
        os.kill(call.rank(1), signal.SIGUSR1)
        assert call.wait().code in (STOPPED, 0)
    gpus.train(None, *options, "--resume", "auto")
    assert tensors(checkpoint(gpus.newest(), 12)) == tensors(checkpoint(straight("ebgan_pt"), 12))
