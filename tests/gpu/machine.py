"""Versions and doctor, device kernel tests, compute-sanitizer, communicator contract."""

import json
import re
import shutil

import place
from step import Failed, Skipped, Step

FAKE_NAME = "Fake GPU"  # of tests/fake_cuda
TRAINING_OF_RANKS = ("BucketedReductionTest*:Ranks.Repro*:Ranks.Plain*:DbnRanks*:EbmRanks*:*GanRanks*/magan:*GanRanks*/pulling_away:"
                     "*PrefetchTest*/magan:*PrefetchTest*/ebgan:*PrefetchTest*/batch_norm")


def driver_version(work):
    if not shutil.which("nvidia-smi") or work.machine.fake:
        return ""
    lines = work.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], expect=None).stdout.split()
    return lines[0] if lines else ""


def examine(work):
    """Fills in the machine from `valley --version` and `valley doctor`."""
    machine = work.machine
    machine.versions = work.valley("--version").stdout.strip()
    result = work.valley("doctor", "--json", "--out", work.folder / "runs", expect=None)
    try:
        report = json.loads(result.stdout)
    except ValueError:
        raise Failed(f"valley doctor printed no JSON (exit code {result.code}): {result.last_line()}") from None
    found = report["findings"]
    names = [f["value"].split(",")[0] for f in found if f["group"] == "gpus" and f["name"].startswith("GPU ") and f["status"] != "failure"]
    machine.gpus, machine.gpu_name = len(names), " + ".join(sorted(set(names)))
    machine.fake = FAKE_NAME in names
    machine.driver = driver_version(work)
    machine.commit = next((word for f in found if f["name"] == "valley" for word in re.findall(r"commit (\S+?),", f["value"])), "")
    # The fake device stands in front of the CUDA runtime and NCCL, which doctor reports as loaded twice.
    failures = [f"{f['name']}: {f['value']}" for f in found
                if f["status"] == "failure" and not (machine.fake and "libvalley_fake_cuda" in f["value"])]
    if not machine.gpus:
        raise Failed("; ".join(failures) or "the program sees no GPU")
    if failures:
        raise Failed("; ".join(failures))
    return f"{machine.gpus} x {machine.gpu_name}" + (f", driver {machine.driver}" if machine.driver else "")


def check_kernels(work):
    return work.test("kernels/test_kernels", "--gtest_filter=*DeviceSide*")


def check_with_sanitizer(work, tool):
    sanitizer = place.find_sanitizer()
    if not sanitizer:
        raise Skipped("no compute-sanitizer on the PATH, in CUDA_HOME/bin or in /usr/local/cuda/bin")
    if work.machine.fake:
        raise Skipped("a fake device has no GPU code")
    program = place.find_test(work.machine.program, "kernels/test_kernels")
    result = work.run([sanitizer, "--tool", tool, "--error-exitcode", "9", "--target-processes", "all", str(program),
                       "--gtest_filter=*DeviceSide*"], expect=None)
    summary = [line.strip("= ") for line in result.stdout.splitlines() if "SUMMARY" in line]
    if result.code != 0:
        raise Failed(f"exit code {result.code}: {'; '.join(summary) or result.last_line()}")
    return "; ".join(summary) or "no error"


def check_contract(work, ranks):
    return work.test("comm/test_comm_contract", "--gtest_filter=*/device", ranks=ranks)


def check_shared_gpu(work):
    return work.test("comm/test_comm_contract", "--gtest_filter=*/device", ranks=2,
                     environment={"VALLEY_SHARE_GPU": "1", **work.first_gpu()})


def check_training_of_ranks(work, ranks):
    return work.test("train/test_train_ranks", f"--gtest_filter={TRAINING_OF_RANKS}", ranks=ranks)


def first_step():
    return Step("doctor", "doctor", 120, "versions, `valley doctor` without a failure, at least one GPU", examine)


def steps(machine):
    yield Step("kernels", "kernels", 60, "device kernel tests (DeviceSide) against the CPU", check_kernels)
    for tool in ("memcheck", "racecheck", "synccheck"):
        yield Step(f"sanitizer-{tool}", "sanitizer", 90, f"the same under compute-sanitizer --tool {tool}",
                   lambda work, t=tool: check_with_sanitizer(work, t))
    yield Step("contract-1-rank", "contract", 60, "communicator contract of one rank", lambda work: check_contract(work, 1))
    yield Step("contract-shared", "contract", 60, "communicator contract of two ranks on one GPU (VALLEY_SHARE_GPU=1)", check_shared_gpu)
    for ranks in sorted({1 << power for power in range(1, machine.gpus.bit_length())} | {machine.gpus} - {0, 1}):
        yield Step(f"contract-{ranks}-ranks", "contract", 60, f"communicator contract of {ranks} ranks over NCCL",
                   lambda work, n=ranks: check_contract(work, n))
    yield Step("contract-training", "contract", 90, "unit tests of training on ranks (test_train_ranks)",
               lambda work: check_training_of_ranks(work, machine.ranks), quick=False)
