"""`valley bench` on one and two ranks: reported measurements and rejected configs."""

import json
import re
import subprocess
import sys

import pytest
from program import CONFIG, MISSING, REPOSITORY, USAGE, VALLEY

BEGAN = REPOSITORY / "configs" / "began-64.toml"
SMALL = [BEGAN, "model.resolution=16", "model.width=4", "model.latent=4", "model.hidden=4",
         "train.global_batch=4", "train.threads=1", "--steps", "3", "--warmup", "1"]


def measured(program, *arguments, ranks=None):
    return json.loads(program.call("bench", *arguments, "--json", ranks=ranks).stdout)


def test_bench_step_on_two_ranks(program):
    found = measured(program, "step", *SMALL, "--exposed", ranks=2)
    assert found["ranks"] == 2 and found["communicator"] == "mpi" and found["microbatch"] == 2
    assert len(found["seconds"]) == 3 and found["quartiles"][0] <= found["median"] <= found["quartiles"][1]
    assert found["images_per_second"] == pytest.approx(4 / found["median"])
    assert 0 < found["reducing"] < 10
    assert -10 < found["exposed_quartiles"][0] <= found["exposed"] <= found["exposed_quartiles"][1] < 10
    assert len(found["peak_resident"]) == 2 and min(found["peak_resident"]) > 50 << 20
    assert found["reduced"] > 0 and not list(program.folder.glob("runs/*"))


def test_step_work_is_the_sum_over_layers(program):
    """In multiply-adds per image: the generator's passes count 4 (alternating) or 3 (shared), D's 8 or 6."""
    def count(*keys):
        return measured(program, "step", *SMALL, *keys)["flops"]

    # Layers of the smallest BEGAN, by hand: 3x3 convs at 16 and 8 pixels, and two linear layers of 4 numbers.
    conv, dense = 9 * 16, 9 * 16 * 4
    decoder = 4 * 256 + 2 * conv * 64 + 2 * conv * 256 + 9 * 4 * 3 * 256
    encoder = 9 * 3 * 4 * 256 + conv * 256 + conv * 64 + 2 * conv * 64 + dense * 64 + 512 * 4
    d, g = encoder + decoder, decoder
    assert count() == 2 * 4 * (8 * d + 4 * g)
    assert count("train.schedule=shared") == 2 * 4 * (6 * d + 3 * g)


@pytest.mark.cores("all")
def test_bfloat16_step_is_not_much_slower_than_float(program):
    """Also on CPUs without bfloat16 kernels in LibTorch, where products once took a hundred times as long."""
    steps = [*SMALL, "model.width=16"]
    seconds = {precision: measured(program, "step", *steps, f"train.precision={precision}")["median"] for precision in ("fp32", "bf16")}
    assert seconds["bf16"] < 3 * seconds["fp32"], seconds


def test_bench_step_prints_text(program):
    text = program.call("bench", "step", *SMALL).stdout
    assert "1 rank on " in text and "images per step" in text and "GFLOP per step" in text
    assert "exposed" not in text


def test_bench_loader_reports_speed(program, faces):
    found = measured(program, "loader", faces, "--batch", "8", "--batches", "20", "--repeats", "2", "--threads", "2")
    assert found["images"] == 160 and len(found["seconds"]) == 2
    assert found["images_per_second"] == pytest.approx(2 * found["images_per_second_and_thread"])
    assert "images/s on 1 thread" in program.call("bench", "loader", faces, "--batches", "5").stdout


def test_bench_loader_reads_from_storage_with_a_cold_cache(program, faces):
    plain = measured(program, "loader", faces, "--batch", "8", "--batches", "10", "--repeats", "2")
    cold = measured(program, "loader", faces, "--batch", "8", "--batches", "10", "--repeats", "2", "--cold", "--order", "window")
    kind = subprocess.run(["stat", "-f", "-c", "%T", faces], capture_output=True, text=True, check=True).stdout.strip()
    assert plain["storage_bytes"] == 0
    if kind in ("ext2/ext3", "xfs", "btrfs"):  # not in memory, as tmpfs is
        assert cold["storage_bytes"] >= 0.7 * cold["images"] * cold["image_bytes"]
    error = program.call("bench", "loader", faces, "--batch", "8", "--batches", "20", "--cold", expect=USAGE).error
    assert "--cold" in error and "105" in error


def test_bench_step_reads_data_through_the_loader(program, faces):
    found = measured(program, "step", *SMALL, "model.resolution=32", "--data", f"data.path={faces}", ranks=2)
    assert 0 <= found["waiting_for_data"] < 10


@pytest.mark.parametrize("extra", [[], ["--tree"], ["--chunk", "8K"]], ids=["plain", "tree", "chunks"])
def test_bench_allreduce_reports_bandwidth(program, extra):
    found = measured(program, "allreduce", "--sizes", "4,64K", "--repeats", "3", "--device", "cpu", *extra, ranks=2)
    assert found["ranks"] == 2 and [size["bytes"] for size in found["sizes"]] == [4, 65536]
    large = found["sizes"][1]
    assert large["bus_bandwidth"] == pytest.approx(65536 / large["median"])  # 2 (n - 1) / n is 1 on two ranks


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["step", "nowhere.toml"], MISSING, "nowhere.toml"),
    (["step", BEGAN, "model.nothing=1"], CONFIG, "model.nothing"),
    (["step", BEGAN, "--data", "data.path=nowhere"], MISSING, "nowhere"),
    (["loader", "nowhere"], MISSING, "nowhere"),
    (["allreduce", "--sizes", "4X"], USAGE, "--sizes 4X"),
    (["allreduce", "--device", "cpu", "--chunk", "1M"], USAGE, "--chunk"),
])
def test_bench_errors_are_reported_once(program, arguments, code, words):
    assert words in program.call("bench", *arguments, expect=code).error


def test_peer_comparison_runs_both_programs(tmp_path):
    """bench/step.py as a user runs it, on the smallest networks."""
    words = ["--resolution", "16", "--width", "4", "--batch", "4", "--steps", "2", "--warmup", "1", "--rounds", "1",
             "--passes", "split", "--switch", "performance.frozen_networks=false", "--valley", VALLEY]
    result = subprocess.run([sys.executable, REPOSITORY / "bench" / "step.py", *map(str, words)], cwd=tmp_path,
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split(" | ") for line in result.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["| valley", "| valley performance.frozen_networks=false",
                                        "| PyTorch DDP, eager, split"]
    assert all(float(row[2]) > 0 for row in rows)


def test_all_objectives_are_compared_in_one_table(tmp_path):
    words = ["--only", "magan", "rbm-cd", "--ranks", "1", "--resolution", "32", "--width", "4", "--batch", "4", "--rbm-batch", "4",
             "--passes", "split", "--steps", "2", "--warmup", "1", "--rounds", "1", "--valley", VALLEY]
    result = subprocess.run([sys.executable, REPOSITORY / "bench" / "objectives.py", *map(str, words)], cwd=tmp_path,
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split(" | ") for line in result.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row[:2] for row in rows] == [["| magan", "32"], ["| rbm-cd", "784-500"]]
    assert all(float(row[6]) > 0 and float(row[7]) > 0 for row in rows)


def test_checkpoint_times_are_compared_with_pytorch(faces, tmp_path):
    words = ["--config", REPOSITORY / "configs" / "faces-began.toml", "--data", faces, "--saves", "2", "--every", "1",
             "--rounds", "1", "--valley", VALLEY, "--folder", tmp_path, "model.width=4"]
    result = subprocess.run([sys.executable, REPOSITORY / "bench" / "checkpoint.py", *map(str, words)], cwd=tmp_path,
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split(" | ") for line in result.stdout.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 4 and all(float(row[1]) > 0 for row in rows)
    assert list(tmp_path.iterdir()) == []  # it leaves nothing


def test_dry_run_reports_the_cost_of_a_step(program):
    plan = program.train(None, "--dry-run", "--bus-bandwidth", "20", "--bus-ranks", "4").stdout
    assert "# work per step: " in plan and " FLOP/byte" in plan
    [line] = [line for line in plan.splitlines() if line.startswith("# all-reduce on 4 ranks: ")]
    size, unit = line.split(": ")[1].split()[:2]
    seconds = float(line.split("per rank and step, ")[1].split(" ms")[0]) / 1e3
    bytes_ = float(size) * {"KiB": 2**10, "MiB": 2**20}[unit]
    assert seconds == pytest.approx(1.5 * bytes_ / 20e9, rel=0.01)  # 2 (4 - 1) / 4
    most = {precision: int(re.search(rf"on a GPU in {precision}: .*, (\d+) on 141 GB", plan)[1])
            for precision in ("fp32", "bf16")}
    assert 1.3 * most["fp32"] < most["bf16"] < 2.1 * most["fp32"]  # images stay float


def test_peak_memory_excludes_the_parent_process(program):
    large = 3 << 29
    words = [str(VALLEY), "bench", "step", str(BEGAN), "model.width=4", "train.global_batch=2", "--steps", "1", "--warmup", "1",
             "--json"]
    script = f"import subprocess, sys; held = b'x' * {large}; sys.exit(subprocess.run({words!r}).returncode)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    [peak] = json.loads(result.stdout)["peak_resident"]
    assert peak < large


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_memory_per_image_matches_the_estimate(program, precision):
    """By the growth of the process with the number of images per pass. The heap's fragmentation moves the peak by some 50 MB from
    one environment to another: few and many lie far apart, and the bounds are wide."""
    few, many = 16, 96
    found = {size: measured(program, "step", BEGAN, "model.width=32", f"train.precision={precision}", "train.threads=1",
                            f"train.global_batch={size}", f"train.microbatch={size}", "--steps", "1", "--warmup", "2")
             for size in (few, many)}
    grown = (found[many]["peak_resident"][0] - found[few]["peak_resident"][0]) / (many - few)
    assert 0.85 < found[few]["planned"]["per_image"] / grown < 1.8
    assert found[many]["planned"]["peak"] - found[few]["planned"]["peak"] == \
        (many - few) * found[few]["planned"]["per_image"]
