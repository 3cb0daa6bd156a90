"""The program in unusual environments: streams, locale, variables, names, permissions, two jobs at once."""

import json
import os
import pty
import re
import shutil
import subprocess

import pytest
from program import CANNOT_WRITE, VALLEY, bits, checkpoint, checkpoints, reports

BARE = {"PATH": os.environ["PATH"], "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
NOBODY = 65534


def start(*arguments, environment=BARE, **options):
    """Runs a call whose environment has the given variables only."""
    options = {"capture_output": True, "stdin": subprocess.DEVNULL} | options
    return subprocess.run([VALLEY, *arguments], env=environment, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def run(shared_program):
    return shared_program.trained(None, "train.steps=2")


def train(program, *arguments, **options):
    return start("train", program.config, "train.steps=2", "--out", program.out, *arguments, **options)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_training_with_closed_streams_writes_no_message_into_a_file(program, run, closed):
    """The next opened file would get the descriptor of the closed stream."""
    command = f'exec "$0" train "$1" train.steps=2 --out "$2" {closed}'
    subprocess.run(["sh", "-c", command, VALLEY, program.config, program.out], env=BARE, check=True, timeout=120)
    assert bits(checkpoint(program.newest(), 2)) == bits(checkpoint(run, 2))
    assert json.loads((program.newest() / "exit.json").read_text())["exit_code"] == 0


def test_closed_stderr_pipe_does_not_end_training(program):
    command = '"$0" train "$1" train.steps=20 --out "$2" 2>&1 | head -n 1; test ${PIPESTATUS[0]} = 0'
    subprocess.run(["bash", "-c", command, VALLEY, program.config, program.out], check=True, timeout=120,
                   capture_output=True)
    assert len(reports(program.newest())) == 20


def test_closed_stdout_pipe_is_not_an_error():
    command = '"$0" train --keys | head -n 1; exit ${PIPESTATUS[0]}'
    result = subprocess.run(["bash", "-c", command, VALLEY], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode in (0, 141)
    assert result.stdout.startswith("data.path")
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [["train", "--keys"], ["--version"], ["--help"], ["train", "--help"]])
@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
def test_unwritable_stdout_is_an_error(arguments, redirection):
    result = subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', VALLEY, *arguments], text=True, timeout=60,
                            stderr=subprocess.PIPE, check=False)
    assert result.returncode == CANNOT_WRITE
    assert "standard output" in result.stderr
    assert result.stderr.count("\n") == 1


def test_empty_environment_works(program, run):
    assert train(program, environment={}).returncode == 0
    assert start("sample", run, "--seeds", "0", "-o", program.folder / "p.png", environment={}).returncode == 0


@pytest.mark.parametrize("variables", [{"TMPDIR": "/nonexistent"}, {"HOME": "/nonexistent"}, {"LANG": "xx_YY.UTF-8"},
                                       {"LC_ALL": "C", "TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm"}])
def test_unusual_variables_do_not_change_results(program, run, variables):
    result = train(program, environment=BARE | variables)
    assert result.returncode == 0, result.stderr
    assert bits(checkpoint(program.newest(), 2)) == bits(checkpoint(run, 2))


@pytest.fixture(scope="session")
def german(tmp_path_factory):
    """An environment with a locale that writes one half as 0,5."""
    folder = tmp_path_factory.mktemp("locale")
    if not shutil.which("localedef") or subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], capture_output=True).returncode > 1:
        pytest.skip("this machine cannot make a locale")
    return BARE | {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8"}


def test_decimal_point_does_not_depend_on_locale(program, run, german):
    result = train(program, "optimizer.lr=0.5", "--dry-run", environment=german, text=True)
    assert "lr = 0.5\n" in result.stdout
    assert train(program, environment=german).returncode == 0
    assert bits(checkpoint(program.newest(), 2)) == bits(checkpoint(run, 2))
    assert isinstance(reports(program.newest())[0]["loss/D"], float)


@pytest.mark.parametrize(("kind", "columns"), [("xterm", 20), ("xterm", 1), ("dumb", 20)])
def test_narrow_terminal_works(program, kind, columns):
    parent, child = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([VALLEY, "train", program.config, "--out", program.out], env=BARE | {"TERM": kind},
                               stdin=child, stdout=child, stderr=child)
    os.close(child)
    shown = b""
    try:
        while piece := os.read(parent, 65536):
            shown += piece
    except OSError:
        pass  # the other end is closed
    os.close(parent)
    assert process.wait(timeout=60) == 0
    assert (b"\x1b" in shown) == (kind != "dumb")
    # Redrawn after "\r"; messages follow an erased line.
    lines = re.findall(rb"\r(s[^\r\n\x1b]*)", shown)
    assert bool(lines) == (kind != "dumb")
    for drawn in lines:
        assert len(drawn.decode()) < max(columns, 81 if columns < 2 else 0)


@pytest.mark.parametrize("name", [b"with space", b"two\nlines", b"not-utf-8-\xff", "öäü".encode(), b"-dash", b"'\"$`"])
def test_unusual_folder_names_work(program, name):
    folder = os.fsencode(program.folder) + b"/" + name
    os.mkdir(folder)
    config = folder + b"/my config (1).toml"
    shutil.copy(program.config, config)
    result = start("train", config, "train.steps=1", "--out", folder + b"/runs")
    assert result.returncode == 0, result.stderr
    run = folder + b"/runs/00000-my-config--1-"
    assert json.loads(open(run + b"/exit.json").read())["exit_code"] == 0
    json.loads(open(run + b"/run.json").read())
    picture = folder + b"/p.png"
    result = start("sample", run, "--seeds", "0", "-o", picture, "--json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout.decode())
    assert os.path.exists(picture)
    assert start("train", "--resume", run, "train.steps=2").returncode == 0


def test_data_path_that_is_not_utf8_is_rejected_with_a_message(program, faces):
    """Their path would be in config.toml, which must be UTF-8."""
    name = os.fsencode(program.folder) + b"/data-\xff"
    os.symlink(faces, name)
    result = start("train", program.config, b"data.path=" + name, "--out", program.out)
    assert result.returncode == 64
    assert b"utf-8" in result.stderr.lower()
    assert result.stderr.count(b"\n") == 1


def test_relative_paths_and_links_work(program, run):
    config = shutil.copy(program.config, program.folder / "c.toml")
    assert start("train", config.name, "train.steps=1", "--out", "relative/runs", cwd=program.folder).returncode == 0
    real = program.folder / "relative" / "runs" / "00000-c"
    link = program.folder / "latest"
    link.symlink_to(real)
    result = start("train", "--resume", "latest", "train.steps=2", cwd=program.folder)
    assert result.returncode == 0, result.stderr
    assert bits(checkpoint(real, 2)) == bits(checkpoint(run, 2))
    assert start("sample", "latest/", "--seeds", "0", "-o", "p.png", cwd=program.folder).returncode == 0


def test_strict_umask_works(program):
    assert train(program, umask=0o077).returncode == 0
    assert (checkpoint(program.newest()) / "COMMIT").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take another user's rights")
def test_folder_of_another_user_is_rejected(faces, run, tmp_path):
    """Read-only data and working folders work; a read-only --out or output file is an error."""
    place = f"/tmp/valley-{os.getpid()}"
    shutil.copytree(faces, f"{place}/data")
    shutil.copytree(run, f"{place}/run")
    shutil.copy(run / "config.toml", f"{place}/c.toml")
    os.mkdir(f"{place}/free")
    os.chmod(f"{place}/free", 0o777)
    arguments = ["train", "../c.toml", f"data.path={place}/data", "train.steps=1"]
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": f"{place}/data", "text": True}
    try:
        done = start(*arguments, "--out", f"{place}/free/runs", **other)
        if done.returncode == 126:
            pytest.skip("another user cannot start the program")
        assert done.returncode == 0, done.stderr
        for more in ([], ["--dry-run"], ["--resume", f"{place}/run"], ["--resume", f"{place}/run", "--dry-run"]):
            result = start(*arguments, *more, **other)
            assert result.returncode == CANNOT_WRITE, result.stderr
            assert result.stderr.count("error: ") == 1 and "ermission" in result.stderr
        result = start("sample", f"{place}/run", "--seeds", "0", "-o", "p.png", **other)
        assert result.returncode == CANNOT_WRITE
        assert "p.png" in result.stderr and "permissions" in result.stderr
        assert sorted(os.listdir(f"{place}/data")) == sorted(os.listdir(faces))
    except PermissionError:
        pytest.skip("another user cannot start the program")
    finally:
        shutil.rmtree(place)


def test_simultaneous_launches_get_different_run_numbers(program):
    calls = [program.start_training(None, "train.steps=2") for _ in range(4)]
    try:
        assert [call.wait().code for call in calls] == [0] * 4
    finally:
        for call in calls:
            call.__exit__()
    assert [path.name for path in program.runs()] == [f"0000{i}-tiny" for i in range(4)]
    assert all(checkpoints(path) for path in program.runs())


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_special_files_are_not_replaced_by_png_output(program, run, kind):
    place = program.folder / kind
    if kind == "device":
        if os.geteuid() != 0:
            pytest.skip("only root may make a device")
        os.mknod(place, 0o600 | 0o020000, os.makedev(1, 3))
    else:
        (os.mkfifo if kind == "pipe" else os.mkdir)(place)
    mode = place.stat().st_mode
    for option in ("-o", "--save-latents"):
        rest = [] if option == "-o" else ["-o", program.folder / "p.png"]
        result = program.call("sample", run, "--seeds", "0", option, place, *rest, expect=CANNOT_WRITE)
        assert str(place) in result.error
    assert place.stat().st_mode == mode


def test_outputs_go_through_symbolic_links(program, run, faces):
    """For every command that writes a file: the link stays, its target is written and keeps its permissions."""
    real = program.folder / "real"
    real.mkdir()
    commands = {
        "p.png": ["sample", run, "--seeds", "0", "-o"], "l.safetensors": ["sample", run, "--seeds", "0", "-o", real / "q.png", "--save-latents"],
        "page.html": ["report", run, "-o"], "report.json": ["evaluate", run, "--data", faces, "-o"]}
    for name, arguments in commands.items():
        target, link = real / name, program.folder / name
        link.symlink_to(f"real/{name}")  # of a file that is not there yet
        program.call(*arguments, link)
        written = target.read_bytes()
        target.write_bytes(b"stale")
        target.chmod(0o640)
        chain = program.folder / f"chain-{name}"
        chain.symlink_to(link)
        program.call(*arguments, chain)
        assert (link.is_symlink(), chain.is_symlink(), target.stat().st_mode & 0o777) == (True, True, 0o640)
        assert target.read_bytes()[:4] == written[:4] and len(target.read_bytes()) > 100
    loop = program.folder / "loop.png"
    loop.symlink_to(loop)
    assert "loop" in program.call("sample", run, "--seeds", "0", "-o", loop, expect=CANNOT_WRITE).error
    assert not [path for path in (*real.iterdir(), *program.folder.iterdir()) if path.name.endswith(".tmp")]


def test_png_can_be_written_to_stdout(program, run):
    command = '"$0" sample "$1" --seeds 0 -o /dev/stdout --json | head -c 8; exit ${PIPESTATUS[0]}'
    result = subprocess.run(["bash", "-c", command, VALLEY, run], capture_output=True, timeout=60, check=False)
    assert result.stdout == b"\x89PNG\r\n\x1a\n"
    file = program.folder / "p.png"
    command = '"$0" sample "$1" --seeds 0 -o >(cat >"$2") >/dev/null && wait "$!"'
    subprocess.run(["bash", "-c", command, VALLEY, run, file], check=True, timeout=60)
    assert file.read_bytes().startswith(b"\x89PNG")
