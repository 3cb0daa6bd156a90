"""`valley doctor`: findings on this host compared with other tools, and findings on hosts with simulated problems."""

import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import subprocess
import tempfile
import time

import pytest
import slurm_cluster
import torch
from program import BUILD, CANNOT_WRITE, CONFIG, DATA, MISSING, PATIENCE, VALLEY, Program, flip, launcher
from test_full_disk import MEBIBYTE, SmallDisk

NOBODY = 65534


@pytest.fixture
def doctor(tmp_path):
    return Program(tmp_path, None)


def environment(**changes):
    cleared = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMI", "OMP_", "SLURM_"))}
    cleared |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} | changes
    return {k: v for k, v in cleared.items() if v is not None}


def examine(*arguments, prefix=(), expect=0, **changes):
    """The JSON report."""
    result = subprocess.run([*prefix, VALLEY, "doctor", "--json", *map(str, arguments)], capture_output=True, text=True,
                            timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL, env=environment(**changes))
    assert result.returncode == expect, f"exit code {result.returncode}, not {expect}:\n{result.stdout}\n{result.stderr}"
    report = json.loads(result.stdout)
    assert report["exit_code"] == expect
    assert report["ok"] == (expect == 0)
    return report


def finding(report, name):
    [found] = [f for f in report["findings"] if f["name"] == name]
    return found


def failures(report):
    return [f["name"] for f in report["findings"] if f["status"] == "failure"]


@pytest.fixture(scope="module")
def here(tmp_path_factory, faces):
    """Report on this host, which has no failures."""
    return examine("--out", tmp_path_factory.mktemp("here"), "--data", faces)


def test_doctor_reports_this_host_as_ready(here):
    assert failures(here) == []
    assert re.match(r"ready to train on 2 [CG]PU ranks", here["verdict"])
    assert here["ranks"] == 2
    groups = list(dict.fromkeys(f["group"] for f in here["findings"]))
    assert groups == ["program", "images", "gpus", "machine", "limits", "ranks", "storage", "data", "slurm"]
    names = [f["name"] for f in here["findings"]]
    assert len(names) == len(set(names))


def test_library_versions_match_other_tools(here):
    versions = here["versions"]
    assert versions["libtorch"] == torch.__version__.split("+")[0]
    mpirun = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=True).stdout
    assert versions["mpi"] in mpirun and versions["mpirun"] in mpirun
    header = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout
    if header:
        assert versions["openssl"] in header
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "libhdf5-dev", "libpng-dev"],
                            capture_output=True, text=True, check=False).stdout
    for name, key in (("libhdf5-dev", "hdf5"), ("libpng-dev", "libpng")):
        found = re.search(rf"^{name} (\d+\.\d+\.\d+)", listed, re.MULTILINE)
        assert found is None or versions[key] == found.group(1)
    if "nccl" in versions:
        assert versions["nccl"] == ".".join(map(str, torch.cuda.nccl.version()))
        assert versions["cuda_runtime"] == torch.version.cuda


def test_host_facts_match_other_tools(here):
    allowed = finding(here, "CPUs allowed")["figures"]["allowed_cpus"]
    assert allowed == len(os.sched_getaffinity(0))
    memory = finding(here, "memory")["figures"]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory["total_bytes"] == pytest.approx(pages, rel=0.01)
    space = finding(here, "space")["figures"]["free_bytes"]
    assert space > 0
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    assert ("AVX2" in finding(here, "vector units")["value"]) == (" avx2 " in flags)


def test_all_reduce_of_ranks_is_measured(here):
    assert finding(here, "ranks")["figures"] == {"hosts": 1, "ranks": 2}
    figures = finding(here, "MPI all-reduce")["figures"]
    assert 0 < figures["us_4kb"] < figures["us_16mb"]
    # Bus bandwidth of two ranks is the bytes over the time.
    assert figures["bus_mb_per_s_16mb"] == pytest.approx((16 << 20) / figures["us_16mb"])


def test_data_set_is_described(here, faces):
    data = finding(here, "data")
    assert str(faces) in data["value"]
    assert data["figures"] == {"images": 105, "height": 32, "width": 32, "shards": 1}


def test_doctor_is_fast_and_leaves_no_files(doctor):
    start = time.monotonic()
    examine("--out", doctor.folder / "runs")
    assert time.monotonic() - start < 60  # 4 s on a machine that does nothing else
    assert list(doctor.folder.iterdir()) == []


def test_text_in_a_pipe_has_no_colors(doctor):
    result = subprocess.run([VALLEY, "doctor", "--out", doctor.folder], capture_output=True, text=True, check=True,
                            timeout=PATIENCE, env=environment())
    lines = result.stdout.splitlines()
    assert "\x1b" not in result.stdout
    assert lines[0] == "Program and libraries"
    assert lines[-1].startswith("ready to train on 2 ")
    marked = [line for line in lines if re.match(r"  (ok  |warn|FAIL)  \S", line)]
    assert len(marked) > 20
    assert result.stderr == ""


def test_terminal_output_has_colors_and_wrapped_lines(doctor):
    leader, follower = pty.openpty()
    subprocess.run(["stty", "cols", "80"], stdin=follower, check=True)
    process = subprocess.Popen([VALLEY, "doctor", "--ranks", "1", "--out", doctor.folder], stdout=follower,
                               env=environment(TERM="xterm", NO_COLOR=None))
    os.close(follower)
    text = b""
    try:
        while block := os.read(leader, 65536):
            text += block
    except OSError:
        pass  # the end
    os.close(leader)
    assert process.wait(timeout=PATIENCE) == 0
    text = text.decode().replace("\r\n", "\n")
    assert "\x1b[32mok" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()
    # Paths are not wrapped.
    assert all(len(line) <= 80 for line in plain if "/" not in line)


def test_missing_data_set_is_a_failure(doctor):
    report = examine("--data", doctor.folder / "none", "--out", doctor.folder, expect=MISSING)
    assert str(doctor.folder / "none") in report["verdict"]


def test_damaged_data_set_is_a_failure(doctor, faces):
    data = doctor.folder / "data"
    shutil.copytree(faces, data)
    [shard] = data.glob("shard-*.h5")
    manifest = json.loads((data / "manifest.json").read_text())
    flip(shard, manifest["shards"][0]["data_offset"] + 5)  # of the first image
    report = examine("--data", data, "--out", doctor.folder, expect=DATA)
    assert shard.name in report["verdict"]
    with open(shard, "r+b") as file:
        file.truncate(100_000)
    assert shard.name in examine("--data", data, "--out", doctor.folder, expect=DATA)["verdict"]


def test_read_only_folder_is_a_failure():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        prefix = [] if os.geteuid() else ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        report = examine("--out", folder, "--ranks", 1, prefix=prefix, expect=CANNOT_WRITE)
    assert folder in report["verdict"]
    assert failures(report) == ["out"]


def test_file_in_place_of_folder_is_a_failure(doctor):
    file = doctor.folder / "runs"
    file.write_text("in the way")
    report = examine("--out", file, "--ranks", 1, expect=CANNOT_WRITE)
    assert f"{file} is not a folder" in report["verdict"]


def test_read_only_mount_is_a_failure(doctor):
    script = (f'mount -t tmpfs -o ro,size=1m none "{doctor.folder}" && '
              f'exec "{VALLEY}" doctor --json --ranks 1 --out "{doctor.folder}"')
    result = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
                            capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment())
    assert result.returncode == CANNOT_WRITE, result.stderr
    report = json.loads(result.stdout)
    assert "read-only" in report["verdict"] and str(doctor.folder) in report["verdict"]
    assert "tmpfs" in finding(report, "file system")["value"]


def test_full_disk_is_a_failure(tmp_path):
    disk = SmallDisk(tmp_path / "disk", 8 * MEBIBYTE)
    try:
        disk.fill()
        report = examine("--out", disk.path, "--ranks", 1, expect=CANNOT_WRITE)
        assert str(disk.path.name) in finding(report, "space")["value"]
        disk.empty()
        # Space for the probe, but not for a checkpoint of the default model: a warning.
        report = examine("--out", disk.path, "--ranks", 1)
        assert finding(report, "space")["status"] == "warning"
    finally:
        disk.close()


def test_low_limit_of_open_files_is_a_failure(doctor):
    report = examine("--out", doctor.folder, prefix=["prlimit", "--nofile=30:30"], expect=CONFIG)
    assert failures(report) == ["open files"]
    files = finding(report, "open files")
    assert files["value"] == "30; mpirun needs 40"
    assert "limits.conf" in files["advice"]
    report = examine("--out", doctor.folder, "--ranks", 8, prefix=["prlimit", "--nofile=40:4096"], expect=CONFIG)
    assert finding(report, "open files")["advice"] == "ulimit -n 4096"
    # A limit that the doctor accepts is sufficient.
    report = examine("--out", doctor.folder, prefix=["prlimit", "--nofile=40:4096"])
    assert finding(report, "open files")["status"] == "warning"
    assert report["ranks"] == 2


def without_mpirun():
    """A PATH with the usual programs but without MPI."""
    folder = tempfile.mkdtemp()
    for name in ("sh", "true"):
        os.symlink(shutil.which(name), pathlib.Path(folder) / name)
    return folder


def test_missing_mpirun_is_a_warning_or_failure(doctor):
    path = without_mpirun()
    report = examine("--out", doctor.folder, PATH=path)
    assert finding(report, "mpirun")["status"] == "warning"
    assert report["verdict"].startswith("ready to train on 1 ")
    report = examine("--out", doctor.folder, "--ranks", 2, expect=MISSING, PATH=path)
    assert failures(report) == ["mpirun"]


def broken_mpirun(folder, script):
    program = pathlib.Path(folder) / "mpirun"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "mpirun (Open MPI) 4.1.4"; exit 0; }}\n{script}\n')
    program.chmod(0o755)
    return folder


def test_error_of_failed_mpirun_is_quoted(doctor):
    path = broken_mpirun(without_mpirun(), 'echo "-----\n\nAll nodes which are allocated are full." >&2; exit 213')
    report = examine("--out", doctor.folder, expect=76, PATH=path)
    assert "All nodes which are allocated are full." in finding(report, "ranks")["value"]


@pytest.mark.cores(0)
def test_hanging_mpirun_is_killed(doctor):
    path = broken_mpirun(without_mpirun(), "exec sleep 600")
    os.symlink(shutil.which("sleep"), pathlib.Path(path) / "sleep")
    report = examine("--out", doctor.folder, expect=76, PATH=path)
    assert "no answer within 30 s" in finding(report, "ranks")["value"]


def nccl_library():
    module = BUILD / "libvalley_gpu.so"
    if not module.exists():
        pytest.skip("a build without CUDA")
    listed = subprocess.run(["ldd", module], capture_output=True, text=True, check=True).stdout
    return pathlib.Path(re.search(r"libnccl\.so\.2 => (\S+)", listed).group(1))


def test_unloadable_gpu_module_is_reported_with_reason(doctor):
    nccl_library()  # skips a build without CUDA
    (doctor.folder / "libvalley_gpu.so").write_text("")
    report = examine("--out", doctor.folder, "--ranks", 1, expect=MISSING, LD_LIBRARY_PATH=str(doctor.folder))
    assert failures(report) == ["GPU module"]
    value = finding(report, "GPU module")["value"]
    assert "libvalley_gpu.so cannot be loaded" in value and "file too short" in value and "train.device=cpu" in value


def test_second_nccl_in_process_is_a_failure(doctor):
    original = nccl_library().read_bytes()
    copy = doctor.folder / "libnccl.so.9"
    # Under its own name it would replace the other library instead of being loaded in addition.
    copy.write_bytes(original.replace(b"\0libnccl.so.2\0", b"\0libnccl.so.9\0"))
    report = examine("--out", doctor.folder, "--ranks", 1, expect=CONFIG, LD_PRELOAD=str(copy))
    nccl = finding(report, "one NCCL")
    assert nccl["value"].startswith("loaded 2 times:")
    assert str(copy) in nccl["value"]
    assert "NCCL" not in finding(report, "loaded once")["value"]


def test_doctor_uses_the_ranks_of_mpirun(doctor):
    result = doctor.call("doctor", "--json", "--out", doctor.folder, ranks=2)
    report = json.loads(result.stdout)
    assert report["ok"] and report["ranks"] == 2
    assert finding(report, "ranks")["value"].startswith("2 found each other: 2 on ")
    assert "MPI all-reduce" in [f["name"] for f in report["findings"]]


def test_exit_code_under_mpirun_is_that_of_first_failure(doctor):
    result = doctor.call("doctor", "--json", "--out", doctor.folder, "--data", doctor.folder / "none", ranks=2,
                         expect=MISSING)
    assert json.loads(result.stdout)["exit_code"] == MISSING


def test_ranks_of_another_mpi_are_a_failure(doctor):
    """As launched by MPICH's mpiexec: each process finds one rank."""
    processes = [subprocess.Popen([VALLEY, "doctor", "--json", "--out", doctor.folder], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, env=environment(PMI_RANK=str(rank), PMI_SIZE="2"))
                 for rank in range(2)]
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [CONFIG, CONFIG]
    report = json.loads(outputs[0])
    assert outputs[1] == ""
    assert failures(report) == ["ranks"]
    assert "started 2 processes" in report["verdict"]


def test_findings_name_their_host(doctor):
    """A simulated second host: another name, another disk at --out, another environment."""
    out = doctor.folder / "out"
    out.mkdir()
    command = f"{shlex.quote(str(VALLEY))} doctor --json --out {shlex.quote(str(out))}"
    other = (f"hostname other && mount -t tmpfs none {shlex.quote(str(out))} && "
             f"OMPI_COMM_WORLD_LOCAL_RANK=0 GOMP_CPU_AFFINITY=0 exec {command}")
    result = subprocess.run([*launcher(1), *shlex.split(command), ":", "-n", "1", "unshare", "--user", "--map-root-user",
                             "--uts", "--mount", "sh", "-c", other], capture_output=True, text=True, timeout=PATIENCE,
                            check=False, env=environment())
    assert result.returncode == CONFIG, result.stderr
    report = json.loads(result.stdout)
    assert finding(report, "ranks")["figures"] == {"hosts": 2, "ranks": 2}
    assert report["verdict"].startswith(f"would stop a run: out: {out} is another folder on other")
    affinity = finding(report, "GOMP_CPU_AFFINITY")
    assert (affinity["host"], affinity["status"]) == ("other", "warning")
    assert all("host" not in f for f in report["findings"] if f["status"] == "ok")


@pytest.mark.skipif(slurm_cluster.missing() != "", reason=slurm_cluster.missing())
def test_doctor_reports_slurm_job(doctor):
    with slurm_cluster.Cluster() as cluster:
        def call(*command):
            result = subprocess.run([*command, VALLEY, "doctor", "--json", "--out", doctor.folder], capture_output=True,
                                    text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
                                    env=environment() | cluster.environment)
            return result.returncode, json.loads(result.stdout)

        # In a job without srun: mpirun launches the ranks through Slurm.
        code, report = call("salloc", "--nodes=1", "--ntasks=2")
        assert code == 0 and report["ranks"] == 2
        assert re.fullmatch(r"job \d+, nodes 1, on n1, tasks 2", finding(report, "job")["value"])
        assert finding(report, "srun")["value"].startswith("has pmix")

        code, report = call("srun", "--mpi=pmix", "--nodes=2", "--ntasks=2")
        assert code == 0 and report["ranks"] == 2
        assert "MPI all-reduce" in [f["name"] for f in report["findings"]]

        # Each task finds one rank in MPI.
        code, report = call("srun", "--mpi=none", "--ntasks=2")
        assert code == CONFIG and failures(report) == ["ranks"]
        assert "--mpi=pmix" in finding(report, "ranks")["value"]


def test_exported_affinity_is_a_warning(doctor):
    report = examine("--out", doctor.folder, "--ranks", 1, GOMP_CPU_AFFINITY="0")
    assert finding(report, "GOMP_CPU_AFFINITY")["status"] == "warning"


def test_missing_font_warning_names_the_package(doctor):
    script = (f'mount -t tmpfs none /usr/share/fonts && HOME=/nonexistent exec "{VALLEY}" doctor --json --ranks 1 '
              f'--out "{doctor.folder}"')
    result = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
                            capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment())
    font = finding(json.loads(result.stdout), "emoji font")
    assert font["status"] == "warning" and "fonts-noto-color-emoji" in font["advice"]


@pytest.mark.parametrize("arguments", [["--ranks", "0"], ["--ranks", "many"], ["--dta", "x"], ["extra"]])
def test_invalid_command_line_is_a_usage_error(doctor, arguments):
    assert doctor.call("doctor", *arguments, expect=2).stdout == ""
