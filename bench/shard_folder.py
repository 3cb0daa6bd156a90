"""Measures `valley shard build` of a folder of JPEG files against bench/peer_shard_pillow.py in alternating rounds,
with as many processes as threads. Wall time includes the start of the process. Processor time is the user and system time
of it and its children, which other load affects less.

Usage: shard_folder.py [--images 300] [--side 512] [--to 256] [--rounds 3] [--valley build/valley]
"""

import argparse
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


def measure(command):
    """Wall time and processor time in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def versions():
    import h5py
    import PIL
    from PIL import features

    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    return (f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, Pillow {PIL.__version__} with "
            f"libjpeg-turbo {features.version('libjpeg_turbo')}, h5py {h5py.__version__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--to", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--valley", default=REPOSITORY / "build" / "valley")
    options = parser.parse_args()
    print(versions())
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        subprocess.run([sys.executable, REPOSITORY / "tests" / "interop" / "pillow_peer.py", "photos", work / "in",
                        str(options.images), str(options.side)], check=True)
        for jobs in (1, 2):
            times = {"peer": [], "valley": []}
            for _ in range(options.rounds):
                times["peer"].append(measure([sys.executable, REPOSITORY / "bench" / "peer_shard_pillow.py", work / "in",
                                              work / "out.h5", options.to, jobs]))
                times["valley"].append(measure([options.valley, "shard", "build", "--source", work / "in", "--dest",
                                                work / "out", "--resolution", options.to, "--jobs", jobs, "--overwrite",
                                                "--progress", "none"]))
            wall, cpu = ({name: statistics.median(t[i] for t in each) for name, each in times.items()} for i in (0, 1))
            print(f"{jobs} threads or processes: peer {options.images / wall['peer']:.0f} images/s, valley "
                  f"{options.images / wall['valley']:.0f} images/s: {wall['peer'] / wall['valley']:.2f} times; "
                  f"processor time an image {1e3 * cpu['peer'] / options.images:.2f} and "
                  f"{1e3 * cpu['valley'] / options.images:.2f} ms: {cpu['peer'] / cpu['valley']:.2f} times")


if __name__ == "__main__":
    main()
