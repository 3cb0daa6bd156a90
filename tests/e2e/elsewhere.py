"""Another host, simulated by a mount namespace with hidden files and an empty environment."""

import os
import shlex
import subprocess

import pytest


def namespace(script):
    """Command that runs a shell script in a new mount namespace, where it may mount."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "--propagation", "private", "sh", "-euc", script]


def need_namespaces():
    tried = subprocess.run(namespace("mount -t tmpfs none /mnt"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip("this machine allows no mount namespaces: " + tried.stderr)


def hiding(paths):
    """Shell lines that hide each existing file and folder."""
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
    """`env` with only the system's PATH, a home and the given variables."""
    return ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", *(f"{k}={v}" for k, v in variables.items())]


def run(script, *, timeout=300):
    """Runs a shell script in the namespace and returns its output."""
    done = subprocess.run(namespace(script), capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{script}\n{done.stdout}\n{done.stderr}"
    return done
