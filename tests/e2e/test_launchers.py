"""launch/local.sh and launch/mpirun.sh: core binding, checkpoints at signals, exit codes."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest
from fake_gpus import RUN, needs_fake_gpus
from launch_scripts import LAUNCH, ended, environment, ranks_of
from program import (BUILD, CONFIG, MISSING, REPOSITORY, STOPPED, USAGE, VALLEY, WAITING, Call, bits, checkpoint, checkpoints,
                     has_reached, step_of, steps_reported)

SCRIPTS = "local.sh", "mpirun.sh", "rank.sh", "slurm.sbatch"
INTERRUPTED = 128 + signal.SIGINT
KILLED = 128 + signal.SIGKILL
LONG = "train.steps=100000"
CORES = len(os.sched_getaffinity(0))


@pytest.fixture
def local(program):
    """Runs local.sh with the config and folder of runs of the program."""
    def start(*arguments, config=None, **variables):
        return Call(["env", *environment(**variables), LAUNCH / "local.sh", config or program.config, *arguments,
                     "--out", program.out], program.folder)
    return start


def cpus_of(pid):
    return os.sched_getaffinity(pid)


@pytest.mark.parametrize("script", [*SCRIPTS, "setup.sh", "build.sh", "quickstart.sh"])
def test_launch_scripts_print_help(script):
    result = subprocess.run([LAUNCH / script, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert f"launch/{script} " in result.stdout and not result.stdout.startswith("#")


@pytest.mark.parametrize("script", SCRIPTS)
def test_launch_scripts_without_arguments_print_help_and_fail(script):
    wrong = subprocess.run([LAUNCH / script], capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == USAGE


@pytest.mark.parametrize("variables", [{"CDPATH": ".:/tmp:/"}, {"POSIXLY_CORRECT": "1"}, {"GREP_OPTIONS": "--color=always"}])
@pytest.mark.parametrize("folder", ["launch", "-dash", "two\nlines", "with space"])
def test_launch_scripts_work_from_any_folder_and_environment(tmp_path, folder, variables):
    """Called by a relative path, whose folder cd would search in CDPATH."""
    shutil.copytree(LAUNCH, tmp_path / folder)
    for script in SCRIPTS:
        result = subprocess.run(["bash", "--", f"{folder}/{script}", "--help"], cwd=tmp_path, env=os.environ | variables,
                                capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, result.stderr) == (0, ""), script
        assert f"launch/{script} " in result.stdout


def test_possibly_empty_arrays_are_guarded():
    """In bash before 4.4, "${array[@]}" of an empty array counts as unset, an error with `set -u`."""
    never_empty = {"arguments", "training", "held", "origins", "pip", "settings", "missing", "parts", "packages", "kTests", "kTestPackages", "variables",
                   "all_lines", "lines"}
    files = [*LAUNCH.glob("*.sh"), LAUNCH / "slurm.sbatch", REPOSITORY / "tests" / "run.sh", REPOSITORY / "tests" / "fake_cuda" / "run"]
    for file in files:
        bare = re.findall(r'(?<![+])"\$\{(\w+)\[@\]\}"', file.read_text())
        assert set(bare) <= never_empty, file


@pytest.mark.parametrize(("content", "line", "says"), [
    (b"localhost slots=1\r\n", 1, "CR LF"),
    (b"# hosts\nlocalhost slots=1 # the first\r\n", 2, "CR LF"),
    (b"\xef\xbb\xbflocalhost slots=1\n", 1, "byte order mark"),
    (b"localhost slots=1\nnode\xc2\xa02 slots=1\n", 2, "not printable"),
    ("localhost slots=1\n".encode("utf-16"), 1, "not printable"),
    (b"localhost slots=1 # the last", 1, "end of line"),
    (b"# none\n \t\n", None, "names no host"),
])
def test_host_file_that_mpirun_cannot_read_is_rejected_by_line(program, content, line, says):
    hosts = program.folder / "hosts"
    hosts.write_bytes(content)
    result = subprocess.run([LAUNCH / "mpirun.sh", hosts, program.config], env=os.environ | {"VALLEY": str(VALLEY)},
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == CONFIG
    [error] = result.stderr.splitlines()
    assert str(hosts) + (f":{line}: " if line else "") in error and says in error


def test_unwritable_tmpdir_is_replaced(local, program):
    with local("train.steps=2", RANKS="", TMPDIR="/proc") as call:
        ended(call, 0)
    with local("train.steps=4", RANKS=2, TMPDIR="/proc") as call:
        result = ended(call, 0)
    assert result.stderr.count("TMPDIR=/proc") == 1
    assert steps_reported(program.newest()) == [1, 2, 3, 4]


def test_shellcheck_accepts_launch_scripts():
    files = [*LAUNCH.rglob("*.sh"), *LAUNCH.rglob("*.sh.in"), LAUNCH / "slurm.sbatch", REPOSITORY / "tests" / "run.sh"]
    result = subprocess.run(["shellcheck", "-x", *files], cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
                            check=False)
    assert result.returncode == 0, result.stdout


STORM = """
set -euo pipefail
launch={launch} out={folder} valley=true arguments=() code=0 restarts=1 job=0
source "$launch/common.sh"
check_hosts_again() {{ return 0; }}
start_job() {{ run_job KILL true; }}
# Ends after a round without a signal: `asked` makes the next start end with 75.
while [[ ! -e {folder}/enough ]]; do
  asked=0
  train_with_restarts
  note_suspect
  make_plan
  takes_usr1 "$BASHPID"
done
"""


def test_signals_at_any_time_do_not_break_the_scripts(tmp_path):
    """bash 5.2 ends a script with a syntax error if it runs a trap while it parses $(...): once in some hundred signals."""
    script = tmp_path / "storm.sh"
    script.write_text(STORM.format(launch=LAUNCH, folder=tmp_path))
    with subprocess.Popen(["bash", script], stderr=subprocess.PIPE, text=True) as process:
        time.sleep(0.3)
        for _ in range(1500):
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.001)
        (tmp_path / "enough").touch()
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 0, error[-2000:]
    assert set(error.splitlines()) == {"launch: USR1: stopping with a checkpoint"}


def test_same_command_resumes_on_ranks_that_share_the_batch(local, program):
    # Four microbatches, so 1, 2 or 4 ranks.
    ranks = max(n for n in (1, 2, 4) if n <= CORES)
    for steps in (3, 5):
        with local(f"train.steps={steps}") as call:
            ended(call, 0)
    [run] = program.runs()
    assert steps_reported(run) == [1, 2, 3, 4, 5]
    assert {start["ranks"] for start in json.loads((run / "run.json").read_text())} == {ranks}


@needs_fake_gpus
@pytest.mark.cores(2)
def test_ranks_on_gpus_are_those_that_share_the_batch(program):
    with Call(["env", *environment(RANKS="", VALLEY_BUILD=BUILD), RUN, "3", LAUNCH / "local.sh", program.config,
               "train.device=cuda", "train.steps=1", "--out", program.out], program.folder, WAITING) as call:
        result = ended(call, 0)
    assert "using 2 ranks instead of 3" in result.stderr
    [start] = json.loads((program.newest() / "run.json").read_text())
    assert (start["ranks"], start["communicator"]) == (2, "nccl")


@pytest.mark.cores(2)
@pytest.mark.parametrize(("arguments", "ranks", "code", "says"), [
    (["train.stepz=1"], "", CONFIG, "train.stepz"),
    (["train.stepz=1"], "2", CONFIG, "train.stepz"),
    (["train.microbatch=8"], "4", CONFIG, "divided evenly among 4 ranks"),
    (["--resume", "nowhere"], "1", MISSING, "nowhere"),
    ([], "many", USAGE, "RANKS=many"),
])
def test_errors_are_reported_once(local, arguments, ranks, code, says):
    with local(*arguments, RANKS=ranks) as call:
        result = ended(call, code)
    assert result.stderr.count("error: ") == 1
    assert says in result.stderr


@pytest.mark.parametrize(("number", "ranks"), [
    (signal.SIGTERM, 1), (signal.SIGTERM, 2), (signal.SIGINT, 2), (signal.SIGHUP, 1)])
def test_signal_to_script_saves_checkpoint(local, program, number, ranks):
    with local(LONG, RANKS=ranks) as call:
        call.until(has_reached(program, 3))
        began = time.monotonic()
        call.process.send_signal(number)
        result = ended(call, STOPPED)
        print(f"{signal.Signals(number).name} to {ranks} rank(s): ended after {time.monotonic() - began:.2f} s")
        assert not call.processes()
    assert not result.errors
    [stopped_at] = map(step_of, checkpoints(program.newest()))
    assert stopped_at >= 3
    with local(f"train.steps={stopped_at + 2}", RANKS=ranks) as call:
        ended(call, 0)
    assert steps_reported(program.newest()) == list(range(1, stopped_at + 3))


def test_signals_during_checkpoints_do_not_change_results(local, program):
    straight = program.trained(None, "train.steps=40", "train.reproducible=true")
    shutil.move(program.out, program.folder / "straight")
    options = "train.steps=40", "train.reproducible=true", "checkpoint.every=1"
    with local(*options, RANKS=2) as call:
        call.until(has_reached(program, 4))
        while call.process.poll() is None:
            call.process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
        ended(call, STOPPED)
    with local(*options, RANKS=2) as call:
        ended(call, 0)
    [run] = program.runs()
    assert bits(checkpoint(run)) == bits(checkpoint(program.folder / "straight" / straight.name))


def has_process(call, name):
    def condition():
        for pid in call.processes():
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    return True
            except OSError:
                continue
        return False
    return condition


@pytest.mark.parametrize(("ranks", "process", "seconds"), [
    ("", "valley", 0),  # the dry run that counts
    (2, "mpirun", 0), (2, "mpirun", 0.1), (2, "valley", 0), (1, "valley", 0)])
def test_signal_during_startup_loses_nothing(local, program, ranks, process, seconds):
    with local(LONG, RANKS=ranks) as call:
        call.until(has_process(call, process))
        time.sleep(seconds)
        call.process.send_signal(signal.SIGTERM)
        ended(call, STOPPED)
        assert not call.processes()
    # Either no run, or one with a checkpoint: of step 0, unless ranks appeared after the first signal.
    saved = max([0, *(step_of(checkpoint(run)) for run in program.runs())])
    with local(f"train.steps={saved + 2}", RANKS=ranks) as call:
        ended(call, 0)
    [run] = program.runs()
    assert steps_reported(run) == list(range(1, saved + 3))


def test_launch_stopped_before_first_step_resumes_bitwise_equal(program):
    straight = program.trained(None, "train.steps=4")
    stopped = program.folder / "stopped"
    stopped.mkdir()
    with Call(["env", "--block-signal=USR1", "sh", "-c", 'kill -USR1 $$; exec "$@"', "sh", VALLEY, "train", program.config,
               "train.steps=4", "--out", stopped], program.folder) as call:
        ended(call, STOPPED)
    [path] = checkpoints(program.newest(stopped))
    assert step_of(path) == 0
    program.train(None, "train.steps=4", "--resume", "auto", out=stopped)
    assert bits(checkpoint(program.newest(stopped))) == bits(checkpoint(straight))


def test_first_ctrl_c_stops_and_second_kills_single_rank(program):
    with program.start_training(None, LONG) as call:
        call.until(has_reached(program, 2))
        call.process.send_signal(signal.SIGINT)
        result = ended(call, STOPPED)
    assert result.stderr.count("Ctrl-C again ends at once") == 1
    # A second signal does not wait for the checkpoint. The rank is suspended so that the first signal cannot end it.
    with program.start_training(None, LONG, "--resume", "auto") as call:
        call.until(has_reached(program, step_of(checkpoint(program.newest())) + 2))
        call.process.send_signal(signal.SIGINT)
        call.process.send_signal(signal.SIGSTOP)
        call.process.send_signal(signal.SIGINT)
        call.process.send_signal(signal.SIGCONT)
        assert call.wait().code in (INTERRUPTED, STOPPED)


def test_second_ctrl_c_ends_at_once(local, program):
    with local(LONG, RANKS=2) as call:
        call.until(has_reached(program, 2))
        stuck, _ = ranks_of(call)[1]
        os.kill(stuck, signal.SIGSTOP)  # it cannot handle the first signal
        call.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert call.process.poll() is None
        began = time.monotonic()
        call.process.send_signal(signal.SIGINT)
        ended(call, INTERRUPTED)
        assert time.monotonic() - began < 10
        assert not call.processes()


def test_killed_rank_has_its_exit_code_and_run_resumes(local, program):
    with local(LONG, "checkpoint.every=2", RANKS=2) as call:
        call.until(lambda: has_reached(program, 5)() and len(checkpoints(program.newest())) >= 2)
        os.kill(ranks_of(call)[1][0], signal.SIGKILL)
        ended(call, KILLED)
        assert not call.processes()
    saved = step_of(checkpoint(program.newest()))
    with local(f"train.steps={saved + 2}", RANKS=2) as call:
        result = ended(call, 0)
    assert f"at step {saved}\n" in result.stderr


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_ranks_are_bound_to_separate_cores(local, program):
    with local(LONG, RANKS=2) as call:
        call.until(has_reached(program, 1))
        ranks = ranks_of(call)
        assert sorted(ranks) == [0, 1]
        cpus = [cpus_of(pid) for pid, _ in ranks.values()]
        assert not cpus[0] & cpus[1] and len(cpus[0]) == len(cpus[1]) >= 1
        for _, variables in ranks.values():
            assert (variables["OMP_WAIT_POLICY"], variables["GOMP_SPINCOUNT"]) == ("passive", "0")
            assert int(variables["OMP_NUM_THREADS"]) <= len(cpus[0])


def test_more_ranks_than_cores_are_not_bound(local, program):
    ranks = 1 << CORES.bit_length()
    if ranks > 16:
        pytest.skip("too many cores for a small test")
    with local(LONG, f"train.global_batch={ranks * 4}", RANKS=ranks) as call:
        call.until(has_reached(program, 1))
        found = ranks_of(call)
        assert len(found) == ranks
        assert all(cpus_of(pid) == os.sched_getaffinity(0) for pid, _ in found.values())
        assert all(variables["OMP_NUM_THREADS"] == "1" for _, variables in found.values())


def test_cpu_mask_limits_the_cores(local, program):
    one = min(os.sched_getaffinity(0))
    with Call(["taskset", "-c", str(one), "env", *environment(), LAUNCH / "local.sh", program.config, "train.steps=1",
               "--out", program.out], program.folder) as call:
        ended(call, 0)
    assert json.loads((program.newest() / "run.json").read_text())[0]["ranks"] == 1


def test_paths_with_spaces_work(program, faces):
    folder = program.folder / "with spaces"
    shutil.copytree(faces, folder / "the data")
    shutil.copy(program.config, folder / "my-config.toml")
    shutil.copytree(LAUNCH, folder / "launch scripts")
    with Call(["env", "-C", folder, *environment(RANKS=2), folder / "launch scripts" / "local.sh", "my-config.toml",
               "data.path=the data", "train.steps=2", "--out", "my runs"], program.folder) as call:
        ended(call, 0)
    assert steps_reported(program.newest(folder / "my runs")) == [1, 2]
