"""The directory that `valley shard build` writes: killed builds resume, system files are ignored,
and an unavailable lock is not reported as damage."""

import errno
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image
from program import CANNOT_WRITE

IO = 74
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos") / "in"
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    for number, pixels in enumerate(values):
        Image.fromarray(pixels).save(folder / f"{number:02}-{'x' * 200}.png")
    (folder / "bad.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def build(faulty_valley, photos):
    def run(destination, *options, fail="", **variables):
        return faulty_valley("shard", "build", "--source", photos, "--dest", destination, "--resolution", "4", "--shard-images", "32",
                             "--jobs", "1", "--no-shuffle", "--progress", "none", "--max-error-rate", "1", *options, fail=fail, **variables)
    return run


@pytest.fixture(scope="module")
def whole(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert build(folder).returncode == 0
    return folder


def form(name):
    """A temporary name without host, process and number."""
    return re.sub(r"\.[^.]+\.\d+\.\d+\.tmp$", ".*.tmp", name)


@pytest.mark.parametrize(("call", "ending", "stride"), [("fsync", ".tmp", 1), ("rename", "*", 3)])
def test_build_killed_at_any_point_resumes(build, whole, tmp_path, call, ending, stride):
    """At each file that is flushed, one after the other, until none is left; and at some that get their names."""
    left = set()
    for number in range(0, 40, stride):
        out = tmp_path / str(number)
        result = build(out, fail=f"{call}:{ending}:{KILLED}:{number}")
        if result.returncode == 0:
            break
        assert result.returncode == KILLED
        new = {form(path.name) for path in out.iterdir()} - left
        left |= new
        if new:  # a mixture that was not there before
            copy = shutil.copytree(out, tmp_path / f"{number}-copy")
            again = build(copy, "--overwrite")
            assert again.returncode == 0, again.stderr
            assert {p.name for p in copy.iterdir()} == {p.name for p in whole.iterdir()}
        again = build(out, "--resume")
        assert again.returncode == 0, again.stderr
        assert (out / "SHA256SUMS").read_text() == (whole / "SHA256SUMS").read_text()
        assert {p.name for p in out.iterdir()} == {p.name for p in whole.iterdir()}
    assert number >= 6
    if call == "rename":
        return
    assert {"..source-listing.tmp.*.tmp", ".manifest.json.*.tmp", ".rejects.jsonl.*.tmp", ".SHA256SUMS.*.tmp", ".index.h5.tmp",
            ".shard-00000.h5.tmp", ".shard-00001.h5.cut.tmp"} <= left


SYSTEM = (".DS_Store", ".nfs00000000000a3b5c00000012", "._shard-00000.h5", "._.DS_Store", "Thumbs.db", "desktop.ini", ".directory",
          ".fuse_hidden0000001200000001", ".tmp", ".manifest.json.tmp.gz")


def test_system_files_are_ignored_and_kept(build, whole, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def put():
        for name in SYSTEM:
            (out / name).write_text("kept")
        (out / "lost+found").mkdir(exist_ok=True)
        (out / ".snapshot").mkdir(exist_ok=True)
    put()
    assert build(out).returncode == 0  # as a new directory
    result = build(out)
    assert result.returncode == CANNOT_WRITE and "--resume" in result.stderr
    for option in ("--resume", "--overwrite"):
        assert build(out, option).returncode == 0
        assert all((out / name).read_text() == "kept" for name in SYSTEM)
    assert (out / "SHA256SUMS").read_text() == (whole / "SHA256SUMS").read_text()


def test_other_files_in_destination_are_named(build, whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    for name in ("peek.png", "notes.txt"):
        (out / name).write_text("mine")
        for option in ("--resume", "--overwrite"):
            result = build(out, option)
            assert result.returncode == CANNOT_WRITE and result.stderr.count("error:") == 1
            assert f'"{name}"' in result.stderr and "move" in result.stderr
    assert 'data set: "notes.txt", "peek.png"; move them' in result.stderr
    assert (out / "shard-00000.h5").exists() and (out / "peek.png").read_text() == "mine"


def test_unavailable_lock_is_not_reported_as_damage(faulty_valley, whole):
    for number in (errno.ENOLCK, errno.EOPNOTSUPP, 524, errno.EAGAIN):
        result = faulty_valley("shard", "verify", whole, fail=f"flock:shard-00000.h5:{number}", HDF5_USE_FILE_LOCKING="TRUE")
        assert result.returncode == IO, (number, result.stdout, result.stderr)
        assert "shard-00000.h5" in result.stderr and "could not be opened" in result.stderr
        assert "HDF5_USE_FILE_LOCKING" in result.stderr and result.stdout == ""
    result = faulty_valley("shard", "verify", whole, fail="flock:shard-00000.h5:37")
    assert result.returncode == 0, "without the variable no lock is taken"
    for fail in (f"open:shard-00000.h5:{errno.EIO}", f"open:manifest.json:{errno.ESTALE}"):
        result = faulty_valley("shard", "verify", whole, fail=fail)
        assert result.returncode == IO and fail.split(":")[1] in result.stderr


def test_manifest_of_another_program_is_kept(build, tmp_path):
    """A web app's, a browser extension's; one of Valley's that was cut short is replaced."""
    for text in ('{"name": "app", "icons": []}', "[]", "no JSON"):
        out = tmp_path / f"{len(text)}"
        out.mkdir()
        (out / "manifest.json").write_text(text)
        for option in ("--resume", "--overwrite"):
            result = build(out, option)
            assert result.returncode == CANNOT_WRITE and '"manifest.json"' in result.stderr, result.stderr
        assert (out / "manifest.json").read_text() == text
    whole = tmp_path / "whole"
    assert build(whole).returncode == 0
    (whole / "manifest.json").write_text((whole / "manifest.json").read_text()[:100])
    assert build(whole, "--overwrite").returncode == 0
