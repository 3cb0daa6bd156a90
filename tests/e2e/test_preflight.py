"""Checks before training: --dry-run rejects what the run would reject and creates no file; space for checkpoints."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from program import CANNOT_WRITE, CONFIG, DATA, MISSING, USAGE, VALLEY, bits, checkpoint, checkpoints
from test_full_disk import MEBIBYTE, SmallDisk

OUT_OF_MEMORY = 71


def files_in(folder):
    """Size and modification time of every file and folder, without output files of the test's own calls."""
    found = {}
    for path, _, files in os.walk(folder):
        for name in [path, *(os.path.join(path, file) for file in files)]:
            if not name.endswith((".stdout", ".stderr")) and name != str(folder):
                status = os.stat(name)
                found[name] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.fixture
def plan(program):
    """Runs --dry-run and checks that no file has changed."""
    def dry_run(*arguments, expect=0, **places):
        before = files_in(program.folder)
        result = program.train(None, *arguments, "--dry-run", expect=expect, **places)
        assert files_in(program.folder) == before
        return result
    return dry_run


@pytest.fixture(scope="module")
def run(shared_program):
    return shared_program.trained(None, "train.steps=4", "checkpoint.every=2")


def test_dry_run_reports_the_new_run(program, plan):
    text = plan("checkpoint.every=2").stdout
    assert f"# start: a new run in {program.out}" in text
    assert "# checkpoints: at most 4 more of " in text
    assert not program.out.exists()


def test_dry_run_json_is_one_object_with_config_devices_memory_and_warnings(plan):
    result = plan("train.global_batch=1048576", "train.microbatch=1048576", "--json")
    found = json.loads(result.stdout)
    assert found["config"]["train.global_batch"] == 1048576 and found["config"]["train.precision"] is None
    assert found["config"]["train.reproducible"] is False
    assert found["devices"] == {"type": "cpu", "usable_gpus": 0, "ranks": 1, "hosts": 1}
    assert found["memory"]["needed_bytes"] > found["memory"]["available_bytes"] > 0
    [warning] = found["warnings"]
    assert warning.startswith("memory may run out") and f"warning: {warning}" in result.stderr
    assert found["model"]["parameters"] == sum(n["parameters"] for n in found["model"]["networks"].values()) > 0
    assert found["launch"].startswith("a new run in ") and found["steps"] > 0
    # Scripts read it by line.
    assert '    "train.global_batch": 1048576,\n' in result.stdout


def test_dry_run_json_counts_ranks_and_estimates_all_reduce(program):
    found = json.loads(program.train(2, "--dry-run", "--json", "--bus-ranks", "4", "--bus-bandwidth", "5").stdout)
    assert found["devices"]["ranks"] == 2 and found["devices"]["hosts"] == 1
    reduction = found["cost"]["all_reduce"]
    assert reduction["ranks"] == 4 and reduction["bus_bandwidth"] == 5e9
    assert reduction["seconds"] == pytest.approx(2 * 3 / 4 * reduction["bytes"] / 5e9)
    assert found["cost"]["reduced_bytes"] == reduction["bytes"]


def test_json_without_dry_run_is_rejected(program):
    assert "add --dry-run" in program.train(None, "--json", expect=USAGE).error


def test_dry_run_estimates_the_size_of_a_checkpoint(plan, run):
    size = sum(file.stat().st_size for file in checkpoint(run).iterdir())
    text = plan().stdout
    planned = float(text.split("more of ")[1].split(" KiB each")[0]) * 1024
    assert size <= planned <= size + 200_000


def test_dry_run_reports_the_resume(plan, run):
    assert f"# start: resumes {run} from step-00000004" in plan("--resume", run).stdout
    assert f"# start: resumes {run} from step-00000004" in plan("--resume", "auto", out=run.parent).stdout
    earlier = checkpoint(run, 2)
    assert f", from {earlier}" in plan("--resume", earlier).stdout


def test_dry_run_rejects_an_invalid_resume(program, plan, run):
    assert "nowhere" in plan("--resume", "nowhere", expect=MISSING).error
    assert "optimizer.lr" in plan("--resume", run, "optimizer.lr=1", expect=CONFIG).error
    assert "optimizer.lr" in plan("--resume", checkpoint(run, 2), "optimizer.lr=1", expect=CONFIG).error
    damaged = shutil.copytree(run, program.folder / "damaged")
    for path in checkpoints(damaged):
        os.truncate(path / "model.safetensors", 1000)
    assert str(damaged) in plan("--resume", damaged, expect=DATA).error


def test_dry_run_rejects_a_run_in_use(program, plan):
    with program.start_training(None, "train.steps=1000000") as call:
        call.until(lambda: bool(program.runs()))
        run = program.newest()
        error = program.train(None, "--resume", run, "--dry-run", expect=USAGE).error
        assert str(call.process.pid) in error


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_unwritable_out_is_rejected(program, dry):
    (program.folder / "file").write_text("in the way")
    for place in (program.folder / "file", program.folder / "file" / "runs"):
        assert str(place) in program.train(None, *dry, out=place, expect=CANNOT_WRITE).error
    program.train(None, *dry, out=program.folder / ("a" * 300), expect=CANNOT_WRITE)
    assert "--out" in program.call("train", program.config, *dry, "--out", "", expect=USAGE).error


@pytest.fixture
def disk(tmp_path):
    small = SmallDisk(tmp_path / "disk", 8 * MEBIBYTE)
    yield small
    small.close()


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_checkpoints_without_space_are_rejected_before_first_step(program, disk, arguments):
    free = 500_000  # room for one of about 300 KB
    disk.fill(leave=free)
    error = program.train(None, "checkpoint.every=1", *arguments, out=disk.path / "runs", expect=CANNOT_WRITE).error
    assert str(disk.path / "runs") in error
    assert "4 checkpoints of " in error and "bytes are free" in error
    assert not (disk.path / "runs").exists()


def test_keeping_all_checkpoints_on_a_small_disk_is_a_warning(program, disk):
    result = program.train(None, "train.steps=200", "checkpoint.every=1", "checkpoint.keep=0", "--dry-run", out=disk.path)
    assert "warning: " in result.stderr and "checkpoint.keep = 0" in result.stderr
    assert "200 checkpoints of " in result.stderr


def test_resume_needs_space_for_additional_checkpoints_only(program, disk):
    program.train(None, "train.steps=4", "checkpoint.every=1", out=disk.path)
    run = program.newest(disk.path)
    before = bits(checkpoint(run, 4))
    disk.fill(leave=100_000)
    error = program.train(None, "--resume", run, "checkpoint.every=1", out=disk.path, expect=CANNOT_WRITE).error
    assert "1 checkpoint of " in error
    assert bits(checkpoint(run, 4)) == before


def test_networks_larger_than_memory_are_rejected(program, plan):
    error = plan("model.width=60000", expect=OUT_OF_MEMORY).error
    assert "model.width" in error and "does not help" in error


def test_microbatch_larger_than_memory_is_a_warning(plan):
    result = plan("train.global_batch=1048576", "train.microbatch=1048576")
    assert "warning: memory may run out" in result.stderr
    assert "train.microbatch=524288" in result.stderr
    # "auto" takes the largest size that fits.
    fitted = plan("train.global_batch=1048576", "train.microbatch=\"auto\"")
    assert "memory may run out" not in fitted.stderr


def test_out_of_memory_error_suggests_a_microbatch(program):
    """The address space is limited to that of the running program plus half of the activations."""
    arguments = ["train", program.config, "train.global_batch=8192", "train.microbatch=8192", "model.width=16", "--out",
                 program.out]
    with program.start("train", program.config, "train.steps=1000000", "--out", program.folder / "other") as call:
        call.until(lambda: bool(program.runs(program.folder / "other")))
        status = pathlib.Path(f"/proc/{call.process.pid}/status").read_text()
    size = int(re.search(r"VmPeak:\s+(\d+) kB", status)[1]) * 1024
    result = subprocess.run(["prlimit", f"--as={size + 3 * 10**9}", VALLEY, *arguments], capture_output=True, text=True,
                            timeout=120, check=False)
    assert result.returncode == OUT_OF_MEMORY, result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "set train.microbatch=4096" in line
    told = json.loads((program.newest() / "exit.json").read_text())
    assert told["exit_code"] == OUT_OF_MEMORY and "train.microbatch=4096" in told["why"]


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """12 images: too few for an evaluation, which needs two sets of 10."""
    data = tmp_path_factory.mktemp("few") / "faces"
    subprocess.run([VALLEY, "shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F60B", "--resolution", "32",
                    "--dest", data], check=True, timeout=300, capture_output=True)
    return data


@pytest.mark.parametrize(("settings", "ranks", "expect", "words"), [
    (["data.path={few}", "evaluate.every=1"], None, DATA, "at least 10 samples"),
    (["data.path={few}", "evaluate.every=1"], 2, DATA, "at least 10 samples"),
    (["performance.cuda_graph=on"], None, CONFIG, "computes on the CPU"),
])
def test_dry_run_rejects_what_training_rejects_without_creating_files(program, plan, few, settings, ranks, expect, words):
    settings = [setting.format(few=few) for setting in settings]
    planned = plan(*settings, expect=expect).error
    before = files_in(program.folder)
    launched = program.train(ranks, *settings, expect=expect).stderr
    assert words in planned and words in launched
    assert files_in(program.folder) == before
