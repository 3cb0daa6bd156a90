"""How OpenMP's threads wait: asleep, unless the user says otherwise."""

import pytest
from program import has_reached

LONG = "train.steps=100000"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.setattr("program.WAITING", {})


def policies(program, ranks=None):
    """OMP_WAIT_POLICY and GOMP_SPINCOUNT of the ranks of a training that has begun to step."""
    with program.start_training(ranks, LONG, "train.threads=2", "train.report_every=1") as call:
        call.until(has_reached(program, 1))
        found = [call.processes()[call.rank(rank)] for rank in range(ranks)] if ranks else call.processes().values()
        return [(variables.get("OMP_WAIT_POLICY"), variables.get("GOMP_SPINCOUNT")) for variables in found]


def test_threads_sleep_while_they_wait(program):
    assert policies(program) == [("passive", "0")]


@pytest.mark.cores(2)
def test_threads_of_ranks_sleep_while_they_wait(program):
    assert policies(program, 2) == [("passive", "0")] * 2


def test_what_the_user_set_stays(program, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "100")
    assert policies(program) == [(None, "100")]
