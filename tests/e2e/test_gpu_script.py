"""tests/gpu.sh on a fake CUDA device: its table and JSON, failing steps, time limits, leftover processes."""

import importlib.util
import json
import os
import subprocess
import sys
import time

import pytest
from program import BUILD, PATIENCE, REPOSITORY, USAGE, WAITING, launcher

if not (BUILD / "tests" / "fake_cuda" / "libvalley_fake_cuda.so").exists():
    pytest.skip("a build without CUDA has no fake CUDA device", allow_module_level=True)


def validate(folder, *options, devices=1, **variables):
    """The finished script and its gpu.json."""
    environment = {**os.environ, **WAITING, "VALLEY_GPU_LAUNCH": f"{REPOSITORY}/tests/fake_cuda/run {devices}", "VALLEY_FAKE_SEED": "0",
                   "VALLEY_PYTHON": sys.executable, **variables}
    done = subprocess.run([REPOSITORY / "tests" / "gpu.sh", "--quick", "--out", folder, *options], env=environment, capture_output=True,
                          text=True, timeout=PATIENCE, check=False)
    file = folder / "gpu.json"
    return done, json.loads(file.read_text()) if file.exists() else None


def statuses(report):
    return {row["name"]: row["status"] for row in report["rows"]}


def test_gpu_script_reports_steps_in_table_json_and_logs(tmp_path):
    done, report = validate(tmp_path / "out", "--only", "kernels,sanitizer-memcheck,contract-2-ranks,train-magan-fp32,inference-energy-dbn",
                            devices=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(report) == {"doctor": "pass", "kernels": "pass", "sanitizer-memcheck": "skip", "contract-2-ranks": "pass",
                                "train-magan-fp32": "pass", "inference-energy-dbn": "pass"}
    assert (report["gpus"], report["gpu"]) == (2, "Fake GPU")
    assert report["versions"][0].startswith("valley ")
    table = done.stdout[done.stdout.index("\nstep "):]
    markdown = (tmp_path / "out" / "table.md").read_text()
    for row in report["rows"]:
        assert f"\n{row['name']} " in table
        assert f"| {row['group']} | 2 x Fake GPU | " in markdown
        assert row["status"] == "skip" or row["commands"]
        assert row["detail"] in (tmp_path / "out" / f"{row['name']}.log").read_text()
        assert 0 <= row["seconds"] <= row["limit"]
    assert "skipped: " in next(row["detail"] for row in report["rows"] if row["status"] == "skip")
    assert not (tmp_path / "out" / "work").exists()


def test_failed_step_gives_exit_code_1_and_next_step_runs(tmp_path):
    done, report = validate(tmp_path / "out", "--only", "train-magan-fp32,inference-evaluate", VALLEY_FAKE_FAIL="launch:20")
    assert done.returncode == 1
    assert statuses(report) == {"doctor": "pass", "train-magan-fp32": "fail", "inference-evaluate": "pass"}
    assert "1 failed: train-magan-fp32" in (tmp_path / "out" / "table.md").read_text()
    assert (tmp_path / "out" / "work" / "train-magan-fp32").is_dir()


def test_step_timeout_gives_exit_code_1_and_gpu_steps_are_skipped(tmp_path):
    done, report = validate(tmp_path / "out", "--only", "kernels", "--time-limit-scale", "0.001")
    assert done.returncode == 1
    assert statuses(report) == {"doctor": "timeout", "kernels": "skip"}


def test_invalid_arguments_run_nothing(tmp_path):
    done, report = validate(tmp_path / "out", "--only", "kernels,nonsense")
    assert (done.returncode, report) == (USAGE, None)
    assert "unknown step nonsense" in done.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    done, report = validate(tmp_path / "out")
    assert (done.returncode, report) == (66, None)
    assert "is not empty" in done.stderr


def test_ranks_of_mpirun_end_at_the_time_limit(tmp_path):
    spec = importlib.util.spec_from_file_location("gpu_process", REPOSITORY / "tests" / "gpu" / "process.py")
    process = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(process)
    command = [*launcher(2), "sleep", str(PATIENCE)]
    with pytest.raises(process.OverLimit), process.Call(command, tmp_path / "log", time.monotonic() + 3) as call:
        call.until(lambda: len(call.pids_of_rank(1)) == 1)
        assert len(call.processes()) == 3
        call.wait()
    assert not call.processes()
