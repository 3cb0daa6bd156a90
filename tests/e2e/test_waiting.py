"""OpenMP threads: sleeping while they wait (unless the user decides otherwise), and fewer threads than requested."""

import os
import re
import shutil
import subprocess
import uuid

import pytest
from program import VALLEY, has_reached

LONG = "train.steps=100000"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.setattr("program.WAITING", {})


def policies(program, ranks=None):
    """OMP_WAIT_POLICY and GOMP_SPINCOUNT of the ranks of a running training."""
    with program.start_training(ranks, LONG, "train.threads=2", "train.report_every=1") as call:
        call.until(has_reached(program, 1))
        found = [call.processes()[call.rank(rank)] for rank in range(ranks)] if ranks else call.processes().values()
        return [(variables.get("OMP_WAIT_POLICY"), variables.get("GOMP_SPINCOUNT")) for variables in found]


def test_waiting_threads_sleep(program):
    assert policies(program) == [("passive", "0")]


@pytest.mark.cores(2)
def test_waiting_threads_of_ranks_sleep(program):
    assert policies(program, 2) == [("passive", "0")] * 2


def test_wait_policy_of_the_user_is_kept(program, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "100")
    assert policies(program) == [(None, "100")]


@pytest.mark.cores(2)
@pytest.mark.parametrize(("variables", "threads", "reason"), [
    ({"OMP_THREAD_LIMIT": "1"}, 1, "OMP_THREAD_LIMIT=1"),
    ({"OMP_THREAD_LIMIT": "2", "OMP_NUM_THREADS": "3,2"}, 2, "OMP_THREAD_LIMIT=2"),
    ({"OMP_DYNAMIC": "true"}, 3, None),
    ({"OMP_MAX_ACTIVE_LEVELS": "0"}, 3, None),
    ({"OMP_PROC_BIND": "true", "OMP_PLACES": "{0}"}, 3, None),
])
def test_training_works_with_fewer_threads_than_requested(program, monkeypatch, variables, threads, reason):
    """Convolutions of oneDNN hang in a thread team that is smaller than the configured one."""
    for name, value in ({"OMP_NUM_THREADS": "3"} | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("program.WAITING", {"OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"} | variables)
    config = program.folder / "default-threads.toml"
    config.write_text(program.config.read_text().replace("threads = 1\n", ""))
    result = program.train(None, "train.steps=2", config=config)
    assert f" {threads} thread(s)" in result.stderr
    warnings = re.findall(r"^warning: .*", result.stderr, re.MULTILINE)
    assert len(warnings) == (reason is not None) and all(reason in warning for warning in warnings)
    if reason:
        sampled = program.call("sample", program.newest(), "--seeds", "0", "-o", program.folder / "p.png")
        assert reason in sampled.stderr


def test_doctor_reports_granted_threads(program):
    environment = os.environ | {"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "2"}
    result = subprocess.run([VALLEY, "doctor", "--ranks", "1", "--out", program.folder], env=environment, capture_output=True,
                            text=True, timeout=120, check=False)
    assert re.search(r"warn +threads +1 of 2 .*OMP_THREAD_LIMIT=1", result.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start the program as another user")
def test_process_limit_reduces_threads_or_gives_an_error(program, faces):
    """As another user without other processes, because the limit does not apply to root."""
    user = 61_000 + os.getpid() % 1000
    place = f"/tmp/valley-{uuid.uuid4().hex}"
    shutil.copytree(faces, f"{place}/data")
    config = program.config.read_text().replace("threads = 1\n", "threads = 8\n").replace(str(faces), f"{place}/data")
    for name in ("a", "b"):
        os.mkdir(f"{place}/{name}")
        os.chown(f"{place}/{name}", user, user)
    with open(f"{place}/c.toml", "w") as file:
        file.write(config)

    def train(limit, out):
        command = ["prlimit", f"--nproc={limit}", "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", VALLEY, "train",
                   f"{place}/c.toml", "train.steps=2", "--out", f"{place}/{out}"]
        environment = {"PATH": os.environ["PATH"], "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
        return subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, timeout=120, check=False)

    try:
        some = train(8, "a")
        if some.returncode in (126, 127):
            pytest.skip("another user cannot start the program")
        assert some.returncode == 0, some.stderr
        assert "ulimit -u" in some.stderr
        [threads] = re.findall(r"warning: (\d+) of 8 threads are used", some.stderr)
        assert int(threads) < 8
        none = train(1, "b")
        assert none.returncode in (0, 71), none.stderr
        assert none.returncode == 0 or none.stderr.count("error: ") == 1 and "ulimit -u" in none.stderr
    finally:
        shutil.rmtree(place)
