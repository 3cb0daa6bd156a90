"""Paths of the program, its tests and its configs: in the source tree or in a bundle."""

import os
import pathlib
import shlex
import shutil

# tests/ of the source tree, share/valley/tests/ of a bundle; configs/ and bench/ are beside it in both.
TESTS = pathlib.Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
RECORD = TESTS / "gpu" / "began_cpu.json"


class Missing(Exception):
    """A file that a step needs does not exist."""


def find_program():
    builds = [pathlib.Path(os.environ.get("VALLEY_BUILD", ROOT / "build")) / "valley", ROOT.parents[1] / "bin" / "valley"]
    candidates = [pathlib.Path(os.environ["VALLEY"])] if "VALLEY" in os.environ else builds
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate.absolute()
    raise Missing(f"no program {' or '.join(map(str, candidates))}; run launch/build.sh, or set VALLEY_BUILD")


def find_test(program, name):
    """A test program: tests/FOLDER/NAME of the build folder, or beside the program of a bundle."""
    for candidate in (program.parent / "tests" / name, program.parent / pathlib.Path(name).name):
        if os.access(candidate, os.X_OK):
            return candidate
    raise Missing(f"no {pathlib.Path(name).name} beside {program}; pack the bundle with launch/bundle.sh --tests")


def find_mpirun(program):
    """$MPIRUN, else that of the bundle, else that of the PATH."""
    beside = program.parent / "mpirun"
    found = os.environ.get("MPIRUN") or (str(beside) if os.access(beside, os.X_OK) else shutil.which("mpirun"))
    if not found:
        raise Missing("no mpirun beside the program or on the PATH; install Open MPI, or set MPIRUN")
    return found


def find_config(name):
    return ROOT / "configs" / name


def launch_words():
    """The words of VALLEY_GPU_LAUNCH, the first as an absolute path."""
    words = shlex.split(os.environ.get("VALLEY_GPU_LAUNCH", ""))
    if words and os.path.exists(words[0]):
        words[0] = os.path.abspath(words[0])
    return words


def find_sanitizer():
    homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"]
    folders = [os.environ.get("PATH", ""), *(os.path.join(home, "bin") for home in homes if home)]
    return shutil.which("compute-sanitizer", path=os.pathsep.join(folders))


def python_candidates():
    """Pythons that may have PyTorch: this one, that of VALLEY_TORCH, and the one where bundles look."""
    torch = os.environ.get("VALLEY_TORCH")
    places = [pathlib.Path(torch).parents[3] / "bin" / "python3"] if torch and len(pathlib.Path(torch).parents) > 3 else []
    return [place for place in (*places, pathlib.Path("/opt/torch/.venv/bin/python3")) if os.access(place, os.X_OK)]
