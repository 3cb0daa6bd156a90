"""Calls of launch/local.sh and launch/mpirun.sh, and the ranks that they start."""

import os

from program import REPOSITORY, VALLEY

LAUNCH = REPOSITORY / "launch"


def environment(**variables):
    return [f"{key}={value}" for key, value in ({"VALLEY": VALLEY} | variables).items()]


def ended(call, expect):
    result = call.wait()
    assert result.code == expect, f"exit code {result.code}, not {expect}:\n{result.stderr}"
    return result


def ranks_of(call):
    """Rank -> (pid, environment) of the program's processes of a call."""
    found = {}
    for pid, variables in call.processes().items():
        try:
            if "OMPI_COMM_WORLD_RANK" in variables and os.readlink(f"/proc/{pid}/exe") == os.path.realpath(VALLEY):
                found[int(variables["OMPI_COMM_WORLD_RANK"])] = pid, variables
        except OSError:
            continue  # it has ended
    return found
