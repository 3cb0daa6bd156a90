"""`valley runs`: runs of every kind of end in one table, sorted, and as JSON."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from valley_program import REPOSITORY, VALLEY, train, valley


def start(out, data, *overrides):
    """A training in the background that has reported a step; returns its process and run."""
    process = subprocess.Popen(
        [VALLEY, "train", REPOSITORY / "configs" / "faces-began.toml", f"data.path={data}", "--out", out, "model.width=4",
         "model.latent=6", "model.hidden=5", "train.threads=1", "samples.every=100000", "train.report_every=1", "train.steps=100000", *overrides],
        stderr=subprocess.DEVNULL, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for stats in out.glob("*/stats.jsonl"):
            if '"loss/D"' in stats.read_text():
                return process, stats.parent
        time.sleep(0.05)
    process.kill()
    raise TimeoutError("no step within two minutes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("runs")
    valley("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F63F", "--resolution", 32, "--dest", top / "data",
           "--progress", "none")
    runs = top / "runs"
    train(runs / "a", top / "data", "train.steps=3", "train.seed=10", "evaluate.every=1", "evaluate.samples=16")
    train(runs / "a", top / "data", "train.steps=2", "train.seed=9", "evaluate.every=1", "evaluate.samples=16")
    for name, number in (("stopped", signal.SIGTERM), ("killed", signal.SIGKILL)):
        process, _ = start(runs / name, top / "data")
        process.send_signal(number)
        process.wait(60)
    broken = shutil.copytree(runs / "a" / "00000-faces-began", runs / "broken" / "00000-x")
    (broken / "stats.jsonl").write_text("no JSON\nat all\n")
    failed = shutil.copytree(runs / "a" / "00000-faces-began", runs / "failed" / "00000-x")
    (failed / "exit.json").write_text('{"exit_code": 65, "why": "a shard is damaged"}')
    (runs / "empty" / ".hidden").mkdir(parents=True)
    os.symlink(runs / "a", runs / "link")
    return runs


def rows(folder, *options):
    return json.loads(valley("runs", folder, "--json", *options))


def names(found, folder):
    return [os.path.relpath(row["path"], folder) for row in found]


def test_each_run_has_its_state_and_progress(folder):
    process, running = start(folder / "running", folder.parent / "data")
    try:
        found = {os.path.relpath(row["path"], folder): row for row in rows(folder)}
    finally:
        process.kill()
        process.wait(60)
    states = {name: row["state"] for name, row in found.items()}
    assert states == {"a/00000-faces-began": "done", "a/00001-faces-began": "done", "broken/00000-x": "damaged", "failed/00000-x": "failed",
                      "killed/00000-faces-began": "killed", "running/00000-faces-began": "running", "stopped/00000-faces-began": "stopped"}
    shutil.rmtree(running.parent)
    done = found["a/00000-faces-began"]
    assert (done["method"], done["seed"], done["step"], done["steps"]) == ("began", 10, 3, 3)
    assert done["data"] == str(folder.parent / "data") and done["reason"] == ""
    assert done["started"] == json.loads((folder / "a/00000-faces-began/run.json").read_text())[0]["started"]
    assert "a shard is damaged" in found["failed/00000-x"]["reason"]
    assert "stats.jsonl" in found["broken/00000-x"]["reason"]
    assert found["killed/00000-faces-began"]["step"] >= 1


def test_metrics_are_the_last_and_best_values_of_the_run(folder):
    run = folder / "a/00000-faces-began"
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    swd = {line["step"]: line["swd"] for line in lines if line.get("event") == "evaluate"}
    assert len(swd) >= 3
    [row] = [row for row in rows(folder) if row["path"] == str(run)]
    best = min(swd, key=swd.get)
    assert row["metrics"]["swd"] == {"last": swd[max(swd)], "best": swd[best], "best_step": best}
    assert set(row["metrics"]) == {"swd", "coverage", "M"}


def test_order_is_by_value_with_runs_without_one_last(folder):
    by_seed = rows(folder / "a", "--sort", "seed")
    assert [row["seed"] for row in by_seed] == [9, 10]
    assert [row["seed"] for row in rows(folder / "a", "--sort", "seed", "--reverse")] == [10, 9]
    sorted_by_swd = rows(folder, "--sort", "swd")
    values = [row["metrics"]["swd"]["best"] if "swd" in row.get("metrics", {}) else float("inf") for row in sorted_by_swd]
    assert values == sorted(values) and values[0] < values[-1] == float("inf")
    assert names(rows(folder), folder) == sorted(names(rows(folder), folder))


def test_table_has_a_line_per_run_below_its_titles(folder):
    lines = valley("runs", folder, "--sort", "state").splitlines()
    assert lines[0].split() == ["run", "state", "method", "seed", "steps", "data", "swd", "coverage", "M"]
    count = len(rows(folder))
    assert all(len(line.split()) >= 8 for line in lines[: 1 + count]) and lines[1 + count] == ""
    reasons = lines[2 + count :]
    assert [line.split(": ")[0] for line in reasons] == ["broken/00000-x", "failed/00000-x", "stopped/00000-faces-began"]
    assert "failed (65): a shard is damaged" in reasons[1]
    lines = lines[: 1 + count]
    [done] = [line for line in lines if line.startswith("a/00000-faces-began")]
    assert done.split()[1:5] == ["done", "began", "10", "3/3"]
    column = lines[0].index("state")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)


def test_a_run_or_its_folder_can_be_named(folder):
    assert names(rows(folder / "a/00000-faces-began"), folder) == ["a/00000-faces-began"]
    assert "00000-faces-began  done" in " ".join(valley("runs", f"{folder}/a/").split("\n")).replace("   ", "  ")


def test_folders_without_runs_are_named(folder):
    def error(path):
        result = subprocess.run([VALLEY, "runs", path], capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 66, result
        return result.stderr
    assert str(folder / "empty") in error(folder / "empty") and "--out" in error(folder / "empty")
    assert "is not a folder" in error(folder / "nothing")
