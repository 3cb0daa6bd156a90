"""The program under test, and the small data sets and runs of several tests."""

import json
import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VALLEY_BUILD", REPOSITORY / "build"))
VALLEY = BUILD / "valley"


def valley(*arguments, expect=0):
    """Runs the program on one rank; returns its stdout."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    result = subprocess.run(
        [VALLEY, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert result.returncode == expect, f"valley {arguments}: {result.returncode}\n{result.stderr}"
    return result.stdout


def build_faces(folder, resolution=32, channels="rgb"):
    """16 emoji, so that a batch of 16 is a whole epoch."""
    valley(
        *("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F60F"),
        *("--resolution", resolution, "--channels", channels, "--dest", folder, "--progress", "none"),
    )


def train(out, data, *overrides):
    """Trains a small BEGAN and returns its run directory."""
    valley(
        *("train", REPOSITORY / "configs" / "faces-began.toml", f"data.path={data}", "--out", out),
        *("model.width=4", "model.latent=6", "model.hidden=5", "train.threads=1", "samples.grid=2x1"),
        *("train.report_every=1", "checkpoint.every=1", "checkpoint.keep=0", *overrides),
    )
    return max(path for path in out.iterdir() if path.is_dir())


def stats(run):
    """The lines of stats.jsonl that report a step, by step."""
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if "event" not in line}
