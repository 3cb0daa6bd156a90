"""A real Slurm cluster of two nodes on this host: munged, slurmctld and two slurmd, each in a temporary folder.

The configuration of the host is not read or changed, all sockets are on the loopback device, and all daemons are killed by
process id. Timers are short: a requeued job starts again after seconds, not after two minutes.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from program import marked_processes

NODES = ("n1", "n2")
# Debian installs the daemons in a folder of root's PATH.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
NEEDED = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scontrol", "scancel", "squeue")
PATIENCE = 90
ENDED = "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"

# cred_expire is also the time that a requeued job waits before it may start again.
CONFIG = """\
ClusterName=valley
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
TmpFS={folder}/tmp-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
KillWait=10
MinJobAge=300
MailProg=/bin/true
ReturnToService=2
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Missing requirement of this host for a cluster; "" if there is none."""
    if os.geteuid() != 0:
        return "only root can start slurmd"
    lacking = [name for name in NEEDED if shutil.which(name, path=PATH) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """Runs while its context is entered."""

    def __init__(self):
        # Short, because the path of a socket is limited to 107 characters.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="valley-slurm-"))
        self.folder.chmod(0o755)
        self.daemons = []
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith(("SLURM_", "SBATCH_", "SRUN_", "OMPI_", "PMIX_", "OMP_"))}
        self.environment |= {"PATH": PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if len(self.daemons) > 1:
            self.run("scancel", "--quiet", "--user=root", check=False)
            self._until_empty()
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        for name in ("state", *(f"{kind}-{node}" for kind in ("spool", "tmp") for node in NODES)):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(
            CONFIG.format(host=socket.gethostname(), folder=self.folder, ports=free_ports(3)))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                     f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log",
                     f"--seed-file={self.folder}/munge.seed")
        self.wait((self.folder / "munge.socket").exists, "munged")
        self._daemon("slurmctld", "-D", "-c")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        self.wait(lambda: self.run("sinfo", "--noheader", "--format=%T %D", check=False).strip() == "idle 2", "nodes")

    def lose_node(self, node):
        """Kills the node's daemon and what it started, and has Slurm notice at once."""
        daemon = self.daemons[2 + NODES.index(node)]
        daemon.kill()
        daemon.wait()
        for pid, variables in marked_processes("SLURM_CONF", self.environment["SLURM_CONF"]).items():
            if variables.get("SLURMD_NODENAME") == node and "SLURM_PROCID" in variables:
                os.kill(pid, signal.SIGKILL)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def bring_back(self, node):
        self._daemon("slurmd", "-D", "-N", node)
        self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        self.wait(lambda: self.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T", check=False).strip() == "idle", node)

    def _until_empty(self):
        deadline = time.monotonic() + PATIENCE
        while self.run("squeue", "--noheader", check=False).strip() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _daemon(self, *command):
        with open(self.folder / f"{len(self.daemons)}-{command[0]}.output", "w") as output:
            self.daemons.append(subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                                                 stderr=subprocess.STDOUT, start_new_session=True))

    def logs(self):
        files = [*self.folder.glob("*.log"), *self.folder.glob("*.output")]
        return "\n".join(f"--- {file.name}\n" + file.read_text(errors="replace")[-3000:] for file in sorted(files))

    def run(self, *command, check=True, **options):
        """The standard output of a Slurm command."""
        result = subprocess.run(list(map(str, command)), env=self.environment, capture_output=True, text=True,
                                timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL, **options)
        assert not check or result.returncode == 0, f"{command}: {result.stderr}\n{self.logs()}"
        return result.stdout

    def submit(self, *arguments, **options):
        """The id of a job."""
        return int(self.run("sbatch", "--parsable", *arguments, **options))

    def job(self, job):
        """Output of `scontrol show job`."""
        return dict(re.findall(r"(\w+)=(\S*)", self.run("scontrol", "show", "job", job)))

    def wait(self, condition, what, output=lambda: ""):
        """Waits until `condition()` is true; shows `output()` at a timeout."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}:\n{output()}\n{self.logs()}"
            time.sleep(0.1)

    def until_ended(self, job, output=lambda: ""):
        """Fields and exit code of the job after it has left the queue."""
        self.wait(lambda: self.job(job)["JobState"] in ENDED, f"job {job} to end", output)
        fields = self.job(job)
        return fields, int(fields["ExitCode"].split(":")[0])
