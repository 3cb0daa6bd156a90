"""`mpirun valley shard build`: the bytes of one process on any number of ranks, also after kills, and one message for an error."""

import json
import os
import random
import shutil
import signal
import tarfile
import time

import numpy as np
import pytest
from PIL import Image
from program import DATA, MISSING, USAGE, VALLEY, Call, launcher

KILLED = 128 + signal.SIGKILL
CANNOT_WRITE = 73


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """640 images of two classes, of which six cannot be used, and a file that is not an image."""
    folder = tmp_path_factory.mktemp("photos") / "in"
    values = np.random.default_rng(0).integers(0, 256, (640, 20, 20, 3), dtype=np.uint8)
    for number, pixels in enumerate(values):
        path = folder / ("cat", "dog")[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if number % 100 == 50:
            path.write_bytes(path.read_bytes()[:-number // 10] if number % 200 == 50 else b"")
    (folder / "dog" / "last.png").write_bytes(b"no image")
    return folder


DEFAULTS = {"--source": None, "--resolution": "16", "--shard-images": "32", "--jobs": "1", "--progress": "none", "--max-error-rate": "0.1"}


def words(photos, out, options):
    defaults = DEFAULTS | {"--source": photos, "--dest": out}
    return ["shard", "build", *[str(word) for key, value in defaults.items() if key not in options for word in (key, value)],
            *map(str, options)]


def start(folder, photos, out, *options, ranks=None):
    return Call([*launcher(ranks), VALLEY, *words(photos, out, options)], folder)


def build(folder, photos, out, *options, ranks=None, expect=0):
    with start(folder, photos, out, *options, ranks=ranks) as call:
        result = call.wait()
    assert result.code == expect, result.stderr
    return result


def kill(call, rank):
    """Kills a rank, if it still runs."""
    for pid, variables in call.processes().items():
        if variables.get("OMPI_COMM_WORLD_RANK") == str(rank):
            os.kill(pid, signal.SIGKILL)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    build(folder, photos, folder / "out")
    return folder / "out"


@pytest.mark.cores(3)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_write_the_bytes_of_one_process(photos, whole, tmp_path, ranks):
    result = build(tmp_path, photos, tmp_path / "out", "--json", ranks=ranks)
    assert contents(tmp_path / "out") == contents(whole)
    report = json.loads(result.stdout)  # of one rank only
    assert report["images"] == 634 and sum(report["rejects"].values()) == 7
    assert result.stderr.count("7 of 641 images were rejected") == 1


@pytest.mark.cores(3)
@pytest.mark.parametrize("options", [("--max-images", "100"), ("--max-images", "100", "--no-shuffle"), ("--max-images", "640"),
                                     ("--shard-images", "1024")])
def test_limits_and_orders_are_those_of_one_process(photos, tmp_path, options):
    build(tmp_path, photos, tmp_path / "one", *options)
    build(tmp_path, photos, tmp_path / "three", *options, ranks=3)
    assert contents(tmp_path / "three") == contents(tmp_path / "one")


@pytest.mark.cores(3)
def test_chunks_without_rejects_become_shards(photos, tmp_path):
    usable = tmp_path / "usable"
    usable.mkdir()
    for path in photos.glob("dog/[0-9]*"):
        os.link(path, usable / path.name)
    build(tmp_path, usable, tmp_path / "one")
    build(tmp_path, usable, tmp_path / "three", ranks=3)
    assert contents(tmp_path / "three") == contents(tmp_path / "one")


@pytest.mark.cores(2)
def test_ranks_share_the_passes_over_a_compressed_archive(photos, tmp_path):
    """A stream that can only be read from its beginning: each rank reads the members of its chunks."""
    archive = tmp_path / "photos.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(photos, "photos")
    build(tmp_path, archive, tmp_path / "one")
    build(tmp_path, archive, tmp_path / "two", ranks=2)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.cores(2)
def test_errors_are_those_of_one_process_and_reported_once(photos, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for options, code in [(("--source", tmp_path / "none"), MISSING), (("--shard-images", "31"), USAGE), (("--on-error", "fail"), DATA),
                          (("--resume", "--max-error-rate", "0.005"), DATA)]:
        alone = build(tmp_path, photos, one, *options, expect=code).error.strip()
        result = build(tmp_path, photos, two, *options, ranks=2, expect=code)
        assert alone in result.stderr.replace(str(two), str(one)) and len(result.errors) == 1, (alone, result.stderr)
    (one / "notes.txt").write_text("mine")
    assert '"notes.txt"' in build(tmp_path, photos, one, "--resume", ranks=2, expect=CANNOT_WRITE).error
    (one / "notes.txt").unlink()
    # The limit of rejects may be raised, by ranks or by one process, for a build of either.
    build(tmp_path, photos, one, "--resume", ranks=2)
    build(tmp_path, photos, two, "--resume")
    assert contents(one) == contents(two)


@pytest.mark.cores(3)
def test_job_with_a_killed_rank_is_resumed_by_any_number_of_ranks(photos, whole, tmp_path):
    """Kills after a random number of shards; the next job has another number of ranks or none."""
    chance = random.Random(5)
    killed = 0

    def shards(out):
        manifest = out / "manifest.json"
        return len(json.loads(manifest.read_text())["shards"]) if manifest.exists() else -1

    for attempt, ranks in enumerate([3, 2, 3]):
        out = tmp_path / str(attempt)
        for first in (0, 8):
            wanted = first + chance.randrange(8)
            with start(tmp_path, photos, out, "--resume", ranks=ranks) as call:
                while call.process.poll() is None and shards(out) < wanted:
                    time.sleep(0.002)
                kill(call, chance.randrange(ranks))
                code = call.wait().code
                assert code in (0, KILLED)  # 0: it had ended
                killed += code == KILLED
        build(tmp_path, photos, out, "--resume", ranks=(None, 3, 2)[attempt])
        assert contents(out) == contents(whole), attempt
    assert killed >= 3


@pytest.mark.cores(2)
def test_complete_chunks_of_a_failed_job_are_not_decoded_again(photos, whole, tmp_path):
    """Changes the images of the first chunk after it is complete: a build that decoded them again would reject them."""
    photos = shutil.copytree(photos, tmp_path / "in")
    build(tmp_path, photos, tmp_path / "one", "--no-shuffle")
    out = tmp_path / "out"
    for ranks, stored in [(2, True), (None, False)]:
        shutil.rmtree(out, ignore_errors=True)
        source = shutil.copytree(photos, tmp_path / f"in-{ranks}")
        result = build(tmp_path, source, out, "--no-shuffle", "--on-error", "fail", ranks=2, expect=DATA)
        assert "cat/050.png" in result.error
        assert (out / ".shard-00000.h5.done.json.tmp").exists() and (out / ".shard-00000.h5.done.tmp").exists()
        for path in sorted((source / "cat").iterdir())[:32]:
            status = path.stat()
            path.write_bytes(b"x" * status.st_size)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        build(tmp_path, source, out, "--no-shuffle", "--resume", ranks=ranks)
        assert (contents(out) == contents(tmp_path / "one")) == stored
        assert not list(out.glob(".*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out networks")
@pytest.mark.cores(4)
def test_ranks_on_two_hosts_build_and_resume_after_a_kill(photos, whole, tmp_path, two_hosts):
    """Simulates two hosts that share a file system by network namespaces with host names."""
    out = tmp_path / "out"
    slots = ",".join(f"{address}:2" for address in two_hosts.addresses)

    def job(*options):
        return Call(two_hosts.on(0, "mpirun", "--host", slots, "-n", "4", "--bind-to", "none", *two_hosts.mpirun_flags().split(), VALLEY,
                                 *words(photos, out, options)), tmp_path)

    with job() as call:
        call.until(lambda: (out / "manifest.json").exists())
        kill(call, 3)
        result = call.wait()
        assert result.code in (KILLED, 0) and "4 ranks on 2 hosts" in result.stderr
    with job("--resume") as call:
        result = call.wait()
        assert result.code == 0, result.stderr
    assert contents(out) == contents(whole)
