"""A full disk: a small tmpfs in a separate mount namespace, which exists as long as its process."""

import io
import pathlib
import random
import re
import subprocess
import zipfile

import pytest
from PIL import Image
from program import CANNOT_WRITE, VALLEY, bits, checkpoint, checkpoints, has_reached, step_of, steps_reported

MEBIBYTE = 1 << 20


class SmallDisk:
    """`path` gives access to the namespace from outside."""

    def __init__(self, folder, size):
        folder.mkdir()
        script = f'mount -t tmpfs -o size={size} none "{folder}" && echo mounted && exec cat'
        self.holder = subprocess.Popen(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.path = pathlib.Path(f"/proc/{self.holder.pid}/root{folder}")
        self.filler = self.path / "filler"
        if self.holder.stdout.readline() != "mounted\n":
            pytest.skip("this machine allows no mount namespaces: " + self.holder.stderr.read())

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(timeout=60)

    def fill(self, leave=0):
        """Fills all space except `leave` bytes."""
        try:
            with open(self.filler, "ab", buffering=0) as file:
                while file.write(b"\0" * 4096) == 4096:
                    pass
        except OSError:
            pass
        with open(self.filler, "r+b") as file:
            file.truncate(self.filler.stat().st_size - leave)

    def empty(self):
        self.filler.unlink()


@pytest.fixture
def disk(tmp_path):
    small = SmallDisk(tmp_path / "disk", 8 * MEBIBYTE)
    yield small
    small.close()


@pytest.fixture
def straight(program):
    return program.trained(None)


@pytest.mark.parametrize("ranks", [None, 2])
def test_checkpoint_without_space_fails_and_earlier_one_resumes(program, disk, straight, ranks):
    program.train(ranks, "train.steps=4", out=disk.path)
    run = program.newest(disk.path)
    before = bits(checkpoint(run, 4))

    disk.fill(leave=100_000)  # enough for all but a checkpoint
    failed = program.train(ranks, "--resume", "auto", expect=CANNOT_WRITE, out=disk.path)
    assert str(run / "checkpoints") in failed.error
    assert re.search(r"1 checkpoint of \d+ bytes", failed.error)
    assert "nothing was written" in failed.error
    assert [step_of(c) for c in checkpoints(run)] == [4]
    assert bits(checkpoint(run, 4)) == before

    disk.empty()
    program.train(ranks, "--resume", "auto", out=disk.path)
    assert steps_reported(run) == list(range(1, 11))
    if ranks is None:
        assert bits(checkpoint(run, 10)) == bits(checkpoint(straight, 10))


def test_run_resumes_after_disk_filled_up(program, disk):
    with program.start_training(None, "train.steps=100000", "checkpoint.every=3", out=disk.path) as call:
        call.until(lambda: has_reached(program, 4, disk.path)() and bool(checkpoints(program.newest(disk.path))))
        disk.fill()
        result = call.wait()
    run = program.newest(disk.path)
    assert result.code == CANNOT_WRITE
    assert str(run) in result.error
    assert re.search(r"\d+ bytes", result.error)
    saved = step_of(checkpoint(run))
    disk.empty()
    program.train(None, f"train.steps={saved + 3}", "--resume", "auto", out=disk.path)
    assert steps_reported(run) == list(range(1, saved + 4))


def test_full_disk_is_rejected_before_training(program, disk):
    disk.fill()
    result = program.train(None, expect=CANNOT_WRITE, out=disk.path)
    assert str(disk.path) in result.error


def build_on_disk(folder, photos, *options):
    return subprocess.run([VALLEY, "shard", "build", "--source", photos, "--dest", folder, "--resolution", "128", "--progress", "none",
                           "--shard-images", "320", *options], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A zip file of 600 noisy images, 29 MB as raw pixels of 128x128 and over 10 MB as JPEG."""
    path = tmp_path_factory.mktemp("photos") / "photos.zip"
    draw = random.Random(0)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(600):
            file = io.BytesIO()
            Image.frombytes("RGB", (128, 128), draw.randbytes(3 * 128 * 128)).save(file, "PNG", compress_level=1)
            archive.writestr(f"{i:03}.png", file.getvalue())
    return path


@pytest.fixture
def larger_disk(tmp_path):
    disk = SmallDisk(tmp_path / "disk", 32 * MEBIBYTE)
    yield disk
    disk.close()


def test_raw_data_set_that_does_not_fit_is_rejected_before_the_build(photos, disk):
    disk.fill(leave=3 * MEBIBYTE)
    result = build_on_disk(disk.path / "out", photos)
    assert result.returncode == CANNOT_WRITE and str(disk.path / "out") in result.stderr
    assert not list((disk.path / "out").glob("*.h5"))


def test_build_on_a_full_disk_resumes_bitwise_equal(photos, larger_disk, tmp_path):
    """Before the build only the size of raw images is known, so encoded ones fill the disk later."""
    whole = build_on_disk(tmp_path / "whole", photos, "--storage", "jpeg:95")
    assert whole.returncode == 0, whole.stderr
    disk = larger_disk
    disk.fill(leave=9 * MEBIBYTE)
    failed = build_on_disk(disk.path / "out", photos, "--storage", "jpeg:95", "--jobs", "2")
    assert failed.returncode == CANNOT_WRITE and "disk is full" in failed.stderr
    assert failed.stderr.count("error:") == 1
    disk.empty()
    resumed = build_on_disk(disk.path / "out", photos, "--storage", "jpeg:95", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (disk.path / "out" / "SHA256SUMS").read_text() == (tmp_path / "whole" / "SHA256SUMS").read_text()
