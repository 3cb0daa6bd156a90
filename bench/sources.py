"""Measures `valley shard build` of the same JPEG files as a folder, a zip, a tar and an LMDB database against
bench/peer_shard_pillow.py on the folder, and of webdataset tars against bench/peer_shard_webdataset.py, in alternating rounds with
as many processes as threads. Times include the start of the process.

Usage: sources.py [--images 1000] [--side 512] [--to 256] [--rounds 3] [--jobs 1 2] [--valley build/valley]
Needs Pillow, NumPy, h5py, lmdb and webdataset.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import lmdb
from shard_folder import REPOSITORY, measure, versions


def write_sources(folder, work):
    """The files of a folder as each kind of source: kind -> path."""
    files = [(str(path.relative_to(folder)), path) for path in sorted(folder.rglob("*.jpg"))]
    with zipfile.ZipFile(work / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, path in files:
            archive.write(path, name)
    with tarfile.open(work / "a.tar", "w") as archive:
        for name, path in files:
            archive.add(path, name)
    with lmdb.open(str(work / "lmdb"), map_size=1 << 32) as database, database.begin(write=True) as transaction:
        for name, path in files:
            transaction.put(name.encode(), path.read_bytes())
    per_tar = -(-len(files) // 4)
    (work / "wds").mkdir()
    for number in range(4):
        with tarfile.open(work / "wds" / f"{number:03}.tar", "w") as archive:
            for name, path in files[number * per_tar:(number + 1) * per_tar]:
                archive.add(path, name)
    return {"folder": folder, "zip": work / "a.zip", "tar": work / "a.tar", "lmdb": work / "lmdb", "webdataset": f"{work}/wds/{{000..003}}.tar"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--to", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--valley", default=REPOSITORY / "build" / "valley")
    options = parser.parse_args()
    print(versions())
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        subprocess.run([sys.executable, REPOSITORY / "tests" / "interop" / "pillow_peer.py", "photos", work / "in",
                        str(options.images), str(options.side)], check=True)
        sources = write_sources(work / "in", work)
        for jobs in options.jobs:
            commands = {kind: [options.valley, "shard", "build", "--source", source, "--dest", work / "out", "--resolution", options.to,
                               "--jobs", jobs, "--overwrite", "--progress", "none"] for kind, source in sources.items()}
            commands["Pillow"] = [sys.executable, REPOSITORY / "bench" / "peer_shard_pillow.py", work / "in", work / "out.h5",
                                  options.to, jobs]
            commands["webdataset's reader"] = [sys.executable, REPOSITORY / "bench" / "peer_shard_webdataset.py",
                                               sources["webdataset"], work / "out.h5", options.to, jobs, options.images]
            times = {kind: [] for kind in commands}
            for _ in range(options.rounds):
                for kind, command in commands.items():
                    times[kind].append(measure(command)[0])
            rate = {kind: options.images / statistics.median(values) for kind, values in times.items()}
            print(f"{jobs} threads or processes, images/s (against the folder; against the peer):")
            for kind, images in rate.items():
                peer = rate["webdataset's reader" if kind == "webdataset" else "Pillow"]
                compared = f"{images / rate['folder']:.2f}; {images / peer:.2f}" if kind in sources else "peer"
                print(f"  {kind:20} {images:7.1f}  ({compared})")


if __name__ == "__main__":
    main()
