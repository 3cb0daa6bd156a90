"""Shares the machine's cores among tests that run side by side under pytest-xdist.

A test holds one core while it runs, its fixtures included. `@pytest.mark.cores(n)` takes n cores (at most those that there are);
`@pytest.mark.cores("all")` runs alone, for tests that measure time; `@pytest.mark.cores(0)` takes none, for tests that mostly wait.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import time

import pytest

CORES = len(os.sched_getaffinity(0))
FOLDER = "VALLEY_TEST_CORES"  # environment: the folder of lock files, one per core


def pytest_configure(config):
    config.addinivalue_line("markers", "cores(n): cores that the test takes: a number, or \"all\"; default 1")
    config.addinivalue_line("markers", "quick: part of tests/run.sh --quick")
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="valley-cores-")
        os.environ[FOLDER] = folder  # which the workers inherit
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def declared_cores(item):
    mark = item.get_closest_marker("cores")
    wanted = mark.args[0] if mark else 1
    return CORES if wanted == "all" else min(wanted, CORES)


@contextlib.contextmanager
def locked(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def holding(cores, folder):
    """Waits until `cores` cores are free and holds them. One file per core; who waits holds the gate, so that tests get their
    cores in the order in which they asked, and one that wants all is not overtaken for ever."""
    with contextlib.ExitStack() as held:
        with locked(folder / "gate"):
            free = [folder / str(i) for i in range(CORES)]
            while cores > 0:
                for path in list(free):
                    file = open(path, "w")
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        file.close()
                        continue
                    held.callback(file.close)  # a child that inherited it would hold it: files of Python are not inherited
                    free.remove(path)
                    cores -= 1
                    if cores == 0:
                        break
                else:
                    time.sleep(0.01)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if FOLDER not in os.environ:  # without xdist nothing runs beside it
        return (yield)
    with holding(declared_cores(item), pathlib.Path(os.environ[FOLDER])):
        return (yield)
