"""Another machine, played by a mount namespace: what it shall not have is hidden, and the environment is emptied."""

import os
import shlex
import subprocess

import pytest


def namespace(script):
    """The command that runs a shell script in a mount namespace of its own, where it may mount."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "--propagation", "private", "sh", "-euc", script]


def need_namespaces():
    tried = subprocess.run(namespace("mount -t tmpfs none /mnt"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip("this machine allows no mount namespaces: " + tried.stderr)


def hiding(paths):
    """Lines of shell that put nothing in the place of each file and folder that is there."""
    lines = []
    hidden = set(map(os.path.realpath, paths))
    for path in sorted(hidden):
        if any(path.startswith(f"{other}/") for other in hidden):
            continue
        if os.path.isdir(path):
            lines.append(f"mount -t tmpfs none {shlex.quote(path)}")
        elif os.path.exists(path):
            lines.append(f"mount --bind /dev/null {shlex.quote(path)}")
    return "\n".join(lines)


def clean(home, **variables):
    """`env` with nothing but the system's folders of programs, a home and what is given."""
    return ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", *(f"{k}={v}" for k, v in variables.items())]


def run(script, *, timeout=300):
    """Runs a shell script in its namespace; its output."""
    done = subprocess.run(namespace(script), capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{script}\n{done.stdout}\n{done.stderr}"
    return done
