"""launch/mpirun.sh with host files: this host, and two hosts that are network namespaces."""

import os
import re
import signal

import pytest
from launch_scripts import LAUNCH, ended, environment, ranks_of
from program import MISSING, STOPPED, Call, checkpoint, has_reached, step_of, steps_reported

KILLED = 128 + signal.SIGKILL
LONG = "train.steps=100000"

# User variables that ranks on other hosts also need.
PASSED_ON = {"NCCL_SOCKET_IFNAME": "eth0", "NCCL_IB_DISABLE": "1", "CUDA_VISIBLE_DEVICES": "0,1", "VALLEY_SHARE_GPU": "0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
def test_two_hosts_train_over_a_network(program, two_hosts):
    """Simulates two hosts by network namespaces with host names, and ssh by the agent."""
    agent, names, addresses = two_hosts
    hostfile = program.folder / "hosts"
    hostfile.write_text("".join(f"{address} slots=1\n" for address in addresses))
    flags = f"--mca plm_rsh_agent {agent} --mca btl tcp,self --mca btl_tcp_if_exclude lo --mca oob_tcp_if_exclude lo"

    def start(*arguments):
        return Call([agent, addresses[0], "env", *environment(MPIRUN_FLAGS=f"'{flags}'", **PASSED_ON), str(LAUNCH / "mpirun.sh"),
                     str(hostfile), str(program.config), *arguments, "--out", str(program.out)], program.folder)

    with start(LONG) as call:
        call.until(has_reached(program, 3))
        # To the script, which replaced the shell of the agent.
        call.process.send_signal(signal.SIGTERM)
        result = ended(call, STOPPED)
        assert not call.processes()
    assert "2 ranks on 2 hosts" in result.stderr
    stopped_at = step_of(checkpoint(program.newest()))
    with start(LONG) as call:
        call.until(has_reached(program, stopped_at + 2))
        [(far, variables)] = [(pid, variables) for pid, variables in ranks_of(call).values()
                              if variables["OMPI_COMM_WORLD_RANK"] == "1"]
        assert {name: variables.get(name) for name in PASSED_ON} == PASSED_ON
        os.kill(far, signal.SIGKILL)
        ended(call, KILLED)
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
