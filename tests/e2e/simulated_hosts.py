"""Hosts on one machine: network namespaces with host names and their own loopback device, on a network that can be slow, lossy or cut.

The network is a switch in user space (this file as a program) between TAP devices: kernels without sch_netem have no other way to
delay or lose packets.
"""

import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
LARGEST = 65000  # bytes of a frame: few large frames cost a switch in Python least
DEVICE = "eth0"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=60)


class Hosts:
    """`count` hosts; leave the context to remove them."""

    def __init__(self, folder, count):
        tag = f"vly{os.getpid() % 10000}"
        self.names = [f"{tag}{letter}" for letter in "abcdefgh"[:count]]
        self.addresses = [f"10.211.7.{i + 1}" for i in range(count)]
        self.agent = folder / "agent.sh"
        self.local = folder / "local"  # on each host another folder
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for name in self.names:
                ip("netns", "add", name)
                stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False, capture_output=True, timeout=60)
            self.switch = subprocess.Popen([sys.executable, __file__, *self.names], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           text=True)
            stack.callback(self.stop_switch)
            assert self.switch.stdout.readline() == "ready\n"
            for name, address in zip(self.names, self.addresses, strict=True):
                ip("-n", name, "addr", "add", f"{address}/24", "dev", DEVICE)
                ip("-n", name, "link", "set", "lo", "up")
                ip("-n", name, "link", "set", DEVICE, "mtu", str(LARGEST - 500), "up")
            cases = " ".join(f"{address}) host={name} ;;" for name, address in zip(self.names, self.addresses, strict=True))
            self.agent.write_text(f"""#!/bin/sh
case "$1" in {cases} *) echo "no host $1" >&2; exit 255 ;; esac
shift
exec ip netns exec "$host" unshare --mount --uts sh -c 'mount --bind {self.local}-"$0" {self.local} && hostname "$0" && eval "exec $*"' "$host" "$@"
""")
            self.agent.chmod(0o755)
            for place in (self.local, *map(self.local_of, range(len(self.names)))):
                place.mkdir()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *details):
        return self.stack.__exit__(*details)

    def stop_switch(self):
        self.switch.stdin.close()
        self.switch.stdout.close()
        self.switch.wait(timeout=60)

    def set_network(self, **rules):
        """delay: seconds; loss: share of frames; cut: numbers of hosts that nobody reaches, joined by commas."""
        self.switch.stdin.write(" ".join(f"{key}={value}" for key, value in rules.items()) + "\n")
        self.switch.stdin.flush()

    def on(self, host, *command):
        """Command words that run on a host."""
        return [str(self.agent), self.addresses[host], *map(str, command)]

    def local_of(self, host):
        """The folder that a host sees as `local`."""
        return self.local.with_name(f"local-{self.names[host]}")

    def hostfile(self, slots=1):
        file = self.agent.parent / "hosts"
        file.write_text("".join(f"{address} slots={slots}\n" for address in self.addresses))
        return file

    def mpirun_flags(self):
        return f"--mca plm_rsh_agent {self.agent} --mca btl tcp,self --mca btl_tcp_if_exclude lo --mca oob_tcp_if_exclude lo"


def open_tap(namespace):
    """The TAP device of a namespace, in which this process stays no longer than it needs."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    setns(other)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", DEVICE.encode(), IFF_TAP | IFF_NO_PI))
    setns(own)
    os.close(own)
    os.close(other)
    return tap


def setns(descriptor):
    if hasattr(os, "setns"):
        os.setns(descriptor, 0)
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Switch:
    def __init__(self, taps):
        self.taps = taps
        self.ports = {}  # address of a network card -> number of its host
        self.delay, self.loss, self.cut = 0.0, 0.0, frozenset()
        self.waiting = []  # (time, number, from, frame)
        self.accepted = 0
        self.draw = random.Random(7).random

    def obey(self, line):
        for word in line.split():
            key, _, value = word.partition("=")
            if key == "cut":
                self.cut = frozenset(int(host) for host in value.split(",") if host)
            else:
                setattr(self, key, float(value))

    def receive(self, host):
        for _ in range(64):
            try:
                frame = os.read(self.taps[host], LARGEST)
            except OSError:  # none, or the device is down
                return
            self.ports[frame[6:12]] = host
            if self.loss and self.draw() < self.loss:
                continue
            self.accepted += 1
            heapq.heappush(self.waiting, (time.monotonic() + self.delay, self.accepted, host, frame))

    def deliver(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, origin, frame = heapq.heappop(self.waiting)
            known = self.ports.get(frame[0:6])
            for host, tap in enumerate(self.taps):
                if host == origin or (known is not None and host != known) or {origin, host} & self.cut:
                    continue
                with contextlib.suppress(OSError):  # its buffer is full: lost, as in a switch
                    os.write(tap, frame)

    def run(self):
        while True:
            patience = max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            ready, _, _ = select.select([*self.taps, sys.stdin], [], [], patience)
            for host, tap in enumerate(self.taps):
                if tap in ready:
                    self.receive(host)
            if sys.stdin in ready:
                lines = os.read(sys.stdin.fileno(), 65536).decode()
                if not lines:
                    return
                for line in lines.splitlines():
                    self.obey(line)
            self.deliver()


if __name__ == "__main__":
    switch = Switch([open_tap(namespace) for namespace in sys.argv[1:]])
    print("ready", flush=True)
    switch.run()
