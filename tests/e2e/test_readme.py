"""Runs every command of README.md, unchanged and in order, in a copy of the tree.

Overrides at the end shorten trainings. Data, a host file and a Slurm cluster are made first. Only the command that runs these tests
is omitted.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import slurm_cluster
from PIL import Image
from program import BUILD, FACES, PATIENCE, REPOSITORY

THIS_TEST = "tests/run.sh"
SHORT = "train.steps=2 train.threads=1 model.width=4 model.hidden=8 samples.grid=2x2"
LONGER = "train.steps=4"  # a resume may change the length
# Two nodes of a small cluster without GPUs on this machine.
SLURM_SIZE = {"--ntasks-per-node=8": "--ntasks-per-node=1", "--gpus-per-node=8": "--gpus-per-node=0 --cpus-per-task=1"}


def blocks():
    """The commands of each fenced block, without comments."""
    text = (REPOSITORY / "README.md").read_text()
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in block.replace("\\\n", " ").splitlines()]
        yield [line for line in lines if line]


@functools.cache
def commands():
    return [line for block in blocks() for line in block]


def short(command):
    """Returns the command with appended settings that shorten it."""
    if command == "launch/quickstart.sh":
        return f"{command} {SHORT}"
    if command.startswith("cmake --build"):
        return f"{command} --target valley_core"  # test_build.py builds the rest
    if command.startswith("cmake --install"):
        return command.replace("build-cpu", str(BUILD)).replace("~/.local", "installed")
    if "valley train --resume" in command:
        return f"{command} {LONGER}"
    if re.search(r"\bconfigs/\S+", command) and "--dry-run" not in command:
        # The command that continues a run sets train.steps itself.
        return f"{command} {SHORT}" + (f" {LONGER}" if "train.steps=" in command else "")
    return command


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, faces):
    """A clone with the built program and photos in class folders."""
    tree = tmp_path_factory.mktemp("readme") / "valley"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, tree / name)
    (tree / "build").symlink_to(BUILD)
    (tree / ".venv").symlink_to(os.environ.get("VALLEY_VENV", REPOSITORY / ".venv"))
    for number in range(80):
        photo = tree / "photos" / ("cats", "dogs")[number % 2] / f"{number:03}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((90, 70 + number), 60).convert("RGB").save(photo)
    (tree / "hosts").write_text("localhost slots=2\n")
    subprocess.run([BUILD / "valley", "shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", FACES,
                    "--resolution", "256", "--dest", tree / "data" / "images-256"],
                   check=True, timeout=PATIENCE, capture_output=True)
    return tree


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.Cluster() as running:
        yield running


def run(command, tree, environment=None):
    # The environment of an ordinary shell; mpirun rejects root unless allowed.
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "RANKS": "2"}
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "VALLEY_"))}
    # Each command runs in its own shell, so `export PATH=...` is done here.
    allowed["PATH"] = f"{tree / '.venv' / 'bin'}:{variables['PATH']}"
    if "hosts " in command:
        del allowed["RANKS"]  # the file sets it
    # Four ranks share two cores, which mpirun would reject.
    allowed["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
    return subprocess.run(["bash", "-c", command], cwd=tree, env=variables | allowed | (environment or {}), text=True,
                          capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False)


def test_readme_blocks_have_at_most_four_commands():
    assert THIS_TEST in commands() and "launch/quickstart.sh" in commands() and len(commands()) > 15
    assert all(len(block) <= 4 for block in blocks())


@pytest.mark.parametrize("command", [c for c in commands() if c != THIS_TEST and "sbatch" not in c
                                     and "tensorboard" not in c])
def test_readme_command_works(command, checkout):
    result = run(short(command), checkout)
    assert result.returncode == 0, f"{short(command)}\n{result.stdout}\n{result.stderr}"
    for image_name in re.findall(r"-o (\S+\.png)", command):
        with Image.open(checkout / image_name) as image:
            assert min(image.size) > 16
    if "local.sh" in command:
        assert len(list((checkout / "runs" / "photos").glob("[0-9]*"))) == 1  # the second time it continues
    if "--resume" in command:
        assert "resumed from" in result.stderr


def test_tensorboard_reads_the_runs(checkout):
    [command] = [c for c in commands() if "tensorboard" in c]
    # interop/test_tensorboard.py tests the server; here, TensorBoard must exist and see all runs.
    result = run(f"{command} --inspect", checkout)
    assert result.returncode == 0, result.stderr
    assert "loss/D" in result.stdout and "samples/fakes" in result.stdout


@pytest.mark.skipif(slurm_cluster.missing() != "", reason=slurm_cluster.missing())
def test_sbatch_script_trains(checkout, cluster):
    [command] = [c for c in commands() if c.startswith("sbatch")]
    for there, here in SLURM_SIZE.items():
        assert there in command
        command = command.replace(there, here)
    shutil.rmtree(checkout / "runs" / "images", ignore_errors=True)
    output = pathlib.Path(checkout / "slurm.txt")
    result = run(f"{command.replace('sbatch', f'sbatch --wait --output={output}', 1)} {SHORT}", checkout,
                 cluster.environment)
    assert result.returncode == 0, f"{result.stderr}\n{output.read_text() if output.exists() else ''}"
    assert "2 ranks on" in output.read_text()
