"""launch/mpirun.sh with host files: this host, and two or four hosts that are network namespaces."""

import json
import os
import re
import signal

import pytest
from launch_scripts import LAUNCH, ended, environment, ranks_of
from program import MISSING, STOPPED, Call, checkpoint, has_reached, step_of, steps_reported
from simulated_hosts import Hosts

KILLED = 128 + signal.SIGKILL
LONG = "train.steps=100000"

# User variables that ranks on other hosts also need.
PASSED_ON = {"NCCL_SOCKET_IFNAME": "eth0", "NCCL_IB_DISABLE": "1", "CUDA_VISIBLE_DEVICES": "0,1", "VALLEY_SHARE_GPU": "0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
@pytest.mark.parametrize("count", [2, 4])
def test_several_hosts_train_over_a_network(program, count):
    """Simulates hosts by network namespaces with host names, and ssh by the agent. On four hosts, frames are late and lost."""
    with Hosts(program.folder, count) as hosts:
        if count == 4:
            hosts.set_network(delay=0.002, loss=0.001)
        hostfile = hosts.hostfile()

        def start(*arguments):
            settings = environment(MPIRUN_FLAGS=f"'{hosts.mpirun_flags()}'", **PASSED_ON)
            return Call(hosts.on(0, "env", *settings, LAUNCH / "mpirun.sh", hostfile, program.config, *arguments, "--out", program.out),
                        program.folder)

        with start(LONG) as call:
            call.until(has_reached(program, 3))
            # To the script, which replaced the shell of the agent.
            call.process.send_signal(signal.SIGTERM)
            result = ended(call, STOPPED)
            assert not call.processes()
        assert f"{count} ranks on {count} hosts" in result.stderr
        stopped_at = step_of(checkpoint(program.newest()))
        with start(LONG) as call:
            call.until(has_reached(program, stopped_at + 2))
            pid, variables = ranks_of(call)[1]
            assert {name: variables.get(name) for name in PASSED_ON} == PASSED_ON
            os.kill(pid, signal.SIGKILL)
            ended(call, KILLED)
        end = json.loads((program.newest() / "exit.json").read_text())
        assert f"rank 1 (host {hosts.names[1]}, process {pid}) has ended" in end["why"]
        with start(f"train.steps={stopped_at + 1}") as call:
            ended(call, 0)
    assert steps_reported(program.newest()) == list(range(1, stopped_at + 2))


def test_hostfile_with_this_host_trains(program):
    hostfile = program.folder / "hosts"
    hostfile.write_text("# two ranks, größer geht es nicht\n\n  localhost slots=2  # here\n")
    with Call(["env", *environment(), LAUNCH / "mpirun.sh", hostfile, program.config, "train.steps=2", "--out",
               program.out], program.folder) as call:
        result = ended(call, 0)
    assert re.search(r"2 ranks on 1 host", result.stderr)
    with Call(["env", *environment(), LAUNCH / "mpirun.sh", program.folder / "none", program.config],
              program.folder) as call:
        assert str(program.folder / "none") in ended(call, MISSING).stderr
