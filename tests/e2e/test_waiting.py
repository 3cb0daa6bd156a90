"""How OpenMP's threads wait: asleep, unless the user says otherwise."""

LONG = "train.steps=100000"


def policy(program):
    """OMP_WAIT_POLICY and GOMP_SPINCOUNT of a training that has begun to step."""
    with program.start_training(None, LONG, "train.threads=2", "train.report_every=1") as call:
        call.until(lambda: program.runs() and (program.newest() / "stats.jsonl").exists())
        [found] = call.processes().values()
        return found.get("OMP_WAIT_POLICY"), found.get("GOMP_SPINCOUNT")


def test_threads_sleep_while_they_wait(program):
    assert policy(program) == ("passive", "0")


def test_what_the_user_set_stays(program, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "100")
    assert policy(program) == (None, "100")
