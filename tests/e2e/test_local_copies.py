"""checkpoint.local: runs that continue from a copy on a host, newer than their last checkpoint."""

import json
import os
import re
import shutil
import signal
import stat

import pytest
from launch_scripts import LAUNCH, ended, environment, ranks_of
from program import STOPPED, Call, bits, checkpoint, checkpoints, flip, has_reached, step_of, steps_reported
from simulated_hosts import Hosts

# Checkpoints are left to the local copies after the first few steps.
SAME_BITS = ("train.reproducible=true", "train.threads=1", "train.steps=100000")
RARE = ("checkpoint.every=1000000", "checkpoint.every_seconds=0", "checkpoint.local_every_seconds=1")


def copies(folder):
    """The complete local copies below a folder, the oldest first."""
    return sorted((path.parent for path in folder.glob("*-*/step-*/COMMIT")), key=step_of)


def resumed(run):
    """What each launch has logged: (source, step)."""
    return re.findall(r"resumed from (.*) at step (\d+)", (run / "log.txt").read_text())


def launch_records(run):
    return json.loads((run / "run.json").read_text())


def killed_run(program, local, *arguments, step=3):
    """A run on two ranks that was killed when it had a copy of at least `step`, and the newest copy."""
    with program.start_training(2, *SAME_BITS, *RARE, f"checkpoint.local={local}", *arguments) as call:
        call.until(lambda: copies(local) and step_of(copies(local)[-1]) >= step)
        os.kill(call.rank(0), signal.SIGKILL)
        call.process.wait(60)
    return program.newest(), copies(local)[-1]


def resume(program, run, steps, *arguments, ranks=2):
    return program.train(ranks, *SAME_BITS, *RARE, *arguments, "--resume", run, f"train.steps={steps}")


def test_killed_run_continues_from_its_copy(program):
    local = program.folder / "local"
    run, copy = killed_run(program, local)
    assert not checkpoints(run)
    folder = copy.parent
    for path in (local, folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert 1 <= len(list(folder.glob("step-*"))) <= 2
    last = step_of(copy) + 4
    resume(program, run, last, f"checkpoint.local={local}")
    [(source, step)] = resumed(run)
    assert f"the local copy on host {os.uname().nodename} ({copy})" == source and int(step) == step_of(copy)
    assert steps_reported(run) == list(range(1, last + 1))
    assert launch_records(run)[-1]["resumed_from"] == source
    assert bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(last, "train.reproducible=true")
    assert not list(local.iterdir()), "an orderly end removes the copies"


def test_damaged_copy_is_not_used(program):
    local = program.folder / "local"
    run, _ = killed_run(program, local, "checkpoint.every=2", step=3)
    newest = copies(local)[-1]
    for copy in copies(local):
        flip(copy / "state.safetensors", 5000)
    saved = step_of(checkpoint(run))
    result = resume(program, run, step_of(newest) + 2, f"checkpoint.local={local}")
    [(source, step)] = resumed(run)
    assert source == str(checkpoint(run, saved)) and int(step) == saved
    assert f"skipping the checkpoint {newest}" in result.stderr


def test_newer_checkpoint_is_preferred(program):
    local = program.folder / "local"
    run, copy = killed_run(program, local)
    moved = program.folder / "elsewhere"
    shutil.move(copy.parent, moved)
    resume(program, run, step_of(copy) + 3, "checkpoint.local=")
    saved = step_of(checkpoint(run))
    shutil.move(moved, copy.parent)
    resume(program, run, saved + 1, f"checkpoint.local={local}")
    assert resumed(run)[-1] == (str(checkpoint(run, saved)), str(saved))


def test_copies_of_an_earlier_launch_are_not_used(program):
    """The steps of the copy were done again by a launch without local copies, which may differ where bits are not reproducible."""
    local = program.folder / "local"
    run, copy = killed_run(program, local, step=6)
    resume(program, run, 2, "checkpoint.local=")
    resume(program, run, 4, f"checkpoint.local={local}")
    assert resumed(run)[-1] == (str(checkpoint(run, 2)), "2")
    assert not copies(local) and not copy.exists()


def test_another_run_does_not_find_the_copies(program):
    local = program.folder / "local"
    run, copy = killed_run(program, local, "checkpoint.every=2")
    twin = program.copy_of(run)
    saved = step_of(checkpoint(twin))
    resume(program, twin, saved + 1, f"checkpoint.local={local}")
    assert str(checkpoint(twin, saved)) == resumed(twin)[-1][0]
    assert copies(local)[-1] == copy, "the copies of the other run are untouched"


def test_folder_of_other_users_is_not_used(program):
    local = program.folder / "local"
    run, copy = killed_run(program, local)
    copy.parent.chmod(0o755)
    resume(program, run, 2, f"checkpoint.local={local}")
    assert not resumed(run)


def test_copies_that_cannot_be_written_do_not_end_the_run(program):
    (program.folder / "file").write_text("")
    result = program.train(2, *SAME_BITS, *RARE, f"checkpoint.local={program.folder}/file", "train.steps=2")
    assert "this host gets no local copies" in result.stderr
    assert step_of(checkpoint(program.newest())) == 2


def start_on_hosts(program, hosts, *arguments):
    settings = environment(MPIRUN_FLAGS=f"'{hosts.mpirun_flags()}'", VALLEY_HOST_CHECK_S=600, VALLEY_HOST_PATIENCE_S=25)
    words = hosts.on(0, "env", *settings, LAUNCH / "mpirun.sh", hosts.hostfile(), program.config, *SAME_BITS, *RARE,
                     f"checkpoint.local={hosts.local}", "train.hang_timeout=6", "--restarts", "5", *arguments, "--out", program.out)
    return Call(words, program.folder)


def stop(call, program, beyond):
    call.until(has_reached(program, beyond))
    call.process.send_signal(signal.SIGTERM)
    ended(call, STOPPED)
    run = program.newest()
    last = steps_reported(run)[-1]
    assert bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(last, "train.reproducible=true")
    return run


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
@pytest.mark.cores(2)
def test_lost_host_is_replaced_by_the_copy_of_another(program):
    with Hosts(program.folder, 2) as hosts, start_on_hosts(program, hosts) as call:
        call.until(lambda: all(copies(hosts.local_of(host)) for host in (0, 1)) and has_reached(program, 5)())
        hosts.set_network(cut="1")
        call.until(lambda: len(launch_records(program.newest())) == 2 and resumed(program.newest()))
        [(source, step)] = resumed(program.newest())
        assert source.startswith(f"the local copy on host {hosts.names[0]} ({hosts.local}/") and not checkpoints(program.newest())
        run = stop(call, program, int(step) + 3)
    assert [record["ranks"] for record in launch_records(run)] == [2, 1]
    assert "starts in a row" not in call.files[1].read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
@pytest.mark.cores(2)
def test_host_without_a_copy_gets_that_of_another(program):
    """As after a replaced host: rank 0's copies are gone, and rank 1 sends its own."""
    with Hosts(program.folder, 2) as hosts, start_on_hosts(program, hosts) as call:
        call.until(lambda: all(copies(hosts.local_of(host)) for host in (0, 1)) and has_reached(program, 5)())
        os.kill(ranks_of(call)[1][0], signal.SIGKILL)
        call.until(lambda: "restart 1 of 5" in call.files[1].read_text())
        for folder in hosts.local_of(0).iterdir():
            shutil.rmtree(folder)
        call.until(lambda: len(launch_records(program.newest())) == 2 and resumed(program.newest()))
        [(source, step)] = resumed(program.newest())
        assert source.startswith(f"the local copy on host {hosts.names[1]} (")
        run = stop(call, program, int(step) + 3)
    assert [record["ranks"] for record in launch_records(run)] == [2, 2]
