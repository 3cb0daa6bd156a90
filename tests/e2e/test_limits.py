"""System limits (ulimit) end commands with the documented exit code and a message that names the limit, not by a signal."""

import json
import os
import resource
import shutil
import signal
import subprocess

import pytest
from program import CANNOT_WRITE, STOPPED, VALLEY, checkpoint, checkpoints, step_of

KIBIBYTE = 1 << 10
OUT_OF_MEMORY = 71


def call(*arguments, limits=(), are_hard=False, **options):
    """Runs a command under (resource, soft limit) pairs; `ulimit` of a shell also sets hard limits."""
    def set_limits():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python ignores, and its children with it
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for kind, soft in limits:
            resource.setrlimit(kind, (soft, soft if are_hard else resource.getrlimit(kind)[1]))
    options = {"capture_output": True} | options
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    return subprocess.run([VALLEY, *map(str, arguments)], preexec_fn=set_limits, text=True, timeout=120, check=False, env=environment,
                          stdin=subprocess.DEVNULL, **options)


@pytest.fixture(scope="module")
def run(shared_program):
    return shared_program.trained(None, "train.steps=2")


def small_files(size):
    return [(resource.RLIMIT_FSIZE, size)]


def require_limit(result, *names):
    assert result.returncode == CANNOT_WRITE, result.stderr
    assert result.stderr.count("error: ") == 1 and "ulimit -f" in result.stderr
    assert all(str(name) in result.stderr for name in names)


@pytest.mark.parametrize("size", [256, 4 * KIBIBYTE, 64 * KIBIBYTE])
def test_file_size_limit_ends_training(program, size):
    require_limit(call("train", program.config, "--out", program.out, limits=small_files(size)), program.out)
    for end in program.out.glob("*/exit.json"):
        if end.stat().st_size:
            assert json.loads(end.read_text())["exit_code"] == CANNOT_WRITE
    assert size < 4 * KIBIBYTE or list(program.out.glob("*/exit.json"))
    assert not checkpoints(program.out / "00000-tiny")


def test_file_size_limit_ends_other_commands(program, faces, run):
    data = program.folder / "data"
    source = "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F620", "--resolution", "32"
    require_limit(call("shard", "build", *source, "--dest", data, limits=small_files(4 * KIBIBYTE)), data)
    picture = program.folder / "p.png"
    require_limit(call("sample", run, "--seeds", "0-15", "-o", picture, limits=small_files(KIBIBYTE)), picture)
    page = program.folder / "page.html"
    require_limit(call("report", run, "-o", page, limits=small_files(4 * KIBIBYTE)), page)
    report = program.folder / "report.json"
    require_limit(call("evaluate", run, "--data", faces, "-o", report, limits=small_files(16)), report)
    assert not [path for path in program.folder.iterdir() if path != data and path.suffix in (".png", ".html", ".json")]
    # The build resumes without the limit.
    assert call("shard", "build", *source, "--dest", data, "--resume").returncode == 0


@pytest.mark.parametrize("are_hard", [False, True])
def test_cpu_time_limit_stops_training_with_checkpoint(program, are_hard):
    result = call("train", program.config, "train.steps=1000000", "train.report_every=1000", "--out", program.out,
                  limits=[(resource.RLIMIT_CPU, 4)], are_hard=are_hard)
    assert result.returncode == STOPPED, result.stderr
    assert "ulimit -t" in result.stderr
    [run] = program.runs()
    assert step_of(checkpoint(run)) > 0
    assert json.loads((run / "exit.json").read_text())["exit_code"] == STOPPED


def test_cpu_time_limit_ends_other_commands_with_message(program, run):
    result = call("sample", run, "--seeds", "0-60000", "-o", program.folder / "p.png", limits=[(resource.RLIMIT_CPU, 1)])
    assert result.returncode == STOPPED, result.stderr
    assert result.stderr.count("error: ") == 1 and "ulimit -t" in result.stderr
    assert not (program.folder / "p.png").exists()


def test_open_file_limit_error_names_the_limit(program, run):
    for size in (4, 5, 8):
        result = call("report", run, "-o", program.folder / "page.html", limits=[(resource.RLIMIT_NOFILE, size)])
        if result.returncode == 127:
            continue  # the loader found no libraries
        assert result.returncode in (0, 66, CANNOT_WRITE), result.stderr
        assert result.returncode == 0 or "ulimit -n" in result.stderr


def test_closed_progress_pipe_does_not_end_a_build(program):
    """Messages go to standard error, which may be piped to `head`."""
    data = program.folder / "data"
    command = ('"$0" shard build --source NotoColorEmoji.ttf --codepoints 1F600-1F637 --resolution 32 --dest "$1" --progress json '
               '2>&1 >/dev/null | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}')
    subprocess.run(["bash", "-c", command, VALLEY, data], check=True, timeout=120)
    assert (data / "SHA256SUMS").exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes system calls fail")
@pytest.mark.parametrize(("call_name", "error", "code"), [
    ("flock", "524", 0), ("flock", "EREMOTEIO", 0), ("flock", "EIO", 74),
    ("fsync", "EINVAL", 0), ("fsync", "ENOSYS", 0), ("fsync", "EIO", 74), ("fsync", "EDQUOT", CANNOT_WRITE)])
def test_missing_file_system_calls_warn_or_fail(program, call_name, error, code):
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call_name}", "-e", f"inject={call_name}:error={error}"]
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    result = subprocess.run([*strace, VALLEY, "train", program.config, "train.steps=2", "--out", program.out], env=environment,
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == code, result.stderr
    says = {"flock": "has no locks", "fsync": "cannot flush files"}[call_name]
    assert result.stderr.count(says) == (code == 0)
    assert result.stderr.count("error: ") == (code != 0)
